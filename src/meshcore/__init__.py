"""The engine. Its compiled modules live in one shared object, `meshcore._engine`; this finder hands them to `import` by their own names.

Must not import any of them: `import mesh` alone loads no engine. Called by Python's import machinery.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Engine:
    """Finder and loader of the modules that `meshcore._engine` holds."""

    names: frozenset[str] | None = None

    @classmethod
    def find_spec(cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if not name.startswith("meshcore.") or name == "meshcore._engine":
            return None
        from meshcore import _engine

        if cls.names is None:
            cls.names = frozenset(_engine.names())
        if name not in cls.names:
            return None
        spec = ModuleSpec(name, cls, origin=_engine.__file__)
        spec.has_location = True
        return spec

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType:
        from meshcore import _engine

        return _engine.create(spec)

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        from meshcore import _engine

        _engine.execute(module)


sys.meta_path.insert(0, _Engine)
