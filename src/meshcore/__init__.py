"""The engine. Its compiled modules live in two shared objects; this finder hands them to `import` by their own names.

`meshcore._engine` holds all but those that need OpenSSL, which are in `meshcore._tls`: a configuration without TLS does not load it. Must
not import any module: `import mesh` alone loads no engine. Called by Python's import machinery.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# Prefixes of module names, by shared object; setup.py reads this line.
APART = {"_tls": ("meshcore.io.tls", "meshcore.bind.tls.", "meshcore.bind.tls_client.")}


def library_of(name: str) -> str:
    """The shared object in which a compiled module of this name would be."""
    return next((library for library, prefixes in APART.items() if f"{name}.".startswith(prefixes)), "_engine")


class _Engine:
    """Finder and loader of compiled modules."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if not name.startswith("meshcore.") or name in ("meshcore._engine", "meshcore._tls"):
            return None
        library: Any = importlib.import_module(f"meshcore.{library_of(name)}")
        if not library.has(name):
            return None
        spec = ModuleSpec(name, _Engine, origin=library.__file__, loader_state=library)
        spec.has_location = True
        return spec

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType:
        return spec.loader_state.create(spec)

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        module.__spec__.loader_state.execute(module)


sys.meta_path.insert(0, _Engine)
