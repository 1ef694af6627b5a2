"""The hand-kept declarations of the native faces name what the build offers, no more and no less."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import meshcore.bind
from meshcore.bind import matchers, route_face

FACES = {"matchers": matchers, "route_face": route_face}


def declared(name: str) -> ast.Module:
    return ast.parse((Path(meshcore.bind.__file__).parent / f"{name}.pyi").read_text())


@pytest.mark.parametrize("name", FACES)
def test_functions_and_classes_are_declared(name: str) -> None:
    named = {node.name for node in declared(name).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    built = {
        key for key, value in vars(FACES[name]).items() if getattr(value, "__module__", "") == FACES[name].__name__
    }
    assert {key for key in built if not key.startswith("_")} == named


def test_the_methods_of_the_table_are_declared() -> None:
    (face,) = (node for node in declared("route_face").body if getattr(node, "name", "") == "RouteTableFace")
    named = {node.name for node in face.body if isinstance(node, ast.FunctionDef)} - {"__init__"}
    assert {key for key in vars(route_face.RouteTableFace) if not key.startswith("_")} == named
