"""Routes that a connection manager reads from files, as they are there now. Called by __init__.py and scopes.py."""

from __future__ import annotations

from typing import Any

from mesh.config import Locate, route_table
from mesh.xds.response import Response, Unreadable, read, single
from meshcore.bind import spec

RESOURCE = "resources[0]"


def response(path: str, kind: str) -> Response:
    """What the file says; KeyError when it is no response."""
    try:
        return read(path, kind)
    except Unreadable as error:
        raise KeyError(f"{path}: {error}") from error


def lowering(loaded: Any, found: Response) -> Any:
    """For the resources of a response."""
    low = loaded.low.again(found.report())
    low.cluster_names = frozenset(one.name for one in loaded.plan.clusters)
    return low


def table(loaded: Any, source: spec.RouteSource) -> tuple[spec.RouteTable, Response]:
    """(the routes, what was read)."""
    found = response(source.source.path, "envoy.config.route.v3.RouteConfiguration")
    message = single(found, source.name, lambda one: one.name, "RDS configuration")
    low = lowering(loaded, found)
    made = route_table.lower(message, low, RESOURCE, validate_by_default=False)
    low.report.raise_if_any()
    return made, found


def of_both(bootstrap: Locate, resource: Locate) -> Locate:
    """Paths of a resource are looked up there."""
    return lambda path: resource(path) if path.startswith(RESOURCE) else bootstrap(path)
