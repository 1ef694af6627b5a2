"""Every hand-kept stub (.pyi) of a native face says what was built: the same names, no fewer and no more."""

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
            fields = {inner.target.id for inner in node.body if isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name)}
            names[node.name] = {name for name in functions | fields if not name.startswith("_")}
        elif isinstance(node, ast.FunctionDef):
            names[node.name] = set()
    return {name: members for name, members in names.items() if not name.startswith("_")}


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
    assert stub.keys() == built.keys()
    for name, members in built.items():
        assert stub[name] == members, name
