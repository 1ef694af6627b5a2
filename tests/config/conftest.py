"""All tables of fields are there, those of filters too, which a start imports only when a configuration has them."""

from __future__ import annotations

import importlib
import pkgutil

import mesh.config

for _module in pkgutil.iter_modules(mesh.config.__path__):
    importlib.import_module(f"mesh.config.{_module.name}")
