"""Every hand-kept stub (.pyi) of a native face says what was built.

A name in a stub must exist, with the same members; a function that exists must be in the stub. A class that the stub leaves out is
the module's own business: native classes cannot be hidden otherwise.
"""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import Any

import pytest

BIND = Path(__file__).parent.parent / "src" / "meshcore" / "bind"
STUBS = sorted(BIND.glob("*.pyi"))


def stub_names(path: Path) -> dict[str, set[str]]:
    """Public functions and classes of a stub, classes with their public members."""
    names: dict[str, set[str]] = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef):
            functions = {inner.name for inner in node.body if isinstance(inner, ast.FunctionDef)}
            names[node.name] = {name for name in functions | fields(node) if not name.startswith("_")}
        elif isinstance(node, ast.FunctionDef):
            names[node.name] = set()
    return {name: members for name, members in names.items() if not name.startswith("_")}


def fields(node: ast.ClassDef) -> set[str]:
    return {inner.target.id for inner in node.body if isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name)}


def built_names(module: Any) -> dict[str, set[str]]:
    names: dict[str, set[str]] = {}
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__ or not callable(value):
            continue
        members = {member for member in vars(value) if not member.startswith("_")} if isinstance(value, type) else set()
        names[name] = members
    return names


@pytest.mark.parametrize("path", STUBS, ids=lambda path: path.stem)
def test_a_stub_names_what_was_built(path: Path) -> None:
    module = importlib.import_module(f"meshcore.bind.{path.stem}")
    stub, built = stub_names(path), built_names(module)
    functions = {name for name in built if not isinstance(getattr(module, name), type)}
    assert stub.keys() <= built.keys()
    assert functions <= stub.keys()
    for name, members in stub.items():
        kind = getattr(module, name)
        # What an instance gets in __init__ cannot be seen on a class that has room for any name.
        unseen = members - built[name] if getattr(kind, "__dictoffset__", 0) else set()
        assert members - unseen == built[name], name
