"""Stub of the native part of records; `meshcore.bind.record` is what others use."""

from collections.abc import Callable
from typing import Any, TypeVar

R = TypeVar("R")

class Field:
    default: Any
    default_factory: Callable[[], Any] | None
    repr: bool
    compare: bool
    def __init__(self, default: Any, default_factory: Callable[[], Any] | None, repr: bool, compare: bool) -> None: ...

class Shape:
    names: tuple[str, ...]
    plain: dict[str, Any]
    def __init__(self, names: tuple[str, ...]) -> None: ...

class Record:
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

def shape(kind: type[Any], plain: dict[str, Any]) -> None: ...
def replace(one: R, /, **changes: Any) -> R: ...
def values(one: Any, /) -> dict[str, Any]: ...
