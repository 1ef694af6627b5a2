"""Route scopes, part of the plan (spec.py): several route tables behind one connection manager, of which each request's key chooses one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshcore.bind.record import record

if TYPE_CHECKING:
    from meshcore.bind.spec import FileSource, RouteTable


@record
class KeyPart:
    """What a header says of a request's key: the element number `place` of its first value or, with `name`, what follows `equals` in the
    first element that begins with that name. `separator` divides the value into elements ("": it is one)."""

    header: str
    separator: str = ""
    place: int = 0
    name: str | None = None
    equals: str = ""


@record
class RouteScope:
    """The route table of the requests with this key, a text for each `KeyPart`. `place`: its position where it is configured."""

    name: str
    key: tuple[str, ...]
    routes: RouteTable
    place: int


@record
class Scopes:
    """No key stands twice in `scopes`."""

    parts: tuple[KeyPart, ...]
    scopes: tuple[RouteScope, ...]


@record
class ScopeSource:
    """Where a connection manager's scopes come from; `name` of its scoped routes. `routes`: where the tables are that scopes only name."""

    name: str
    parts: tuple[KeyPart, ...]
    source: FileSource
    routes: FileSource | None = None
