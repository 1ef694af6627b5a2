"""Route scopes from files (SRDS): what a response says, and the table that it makes together with the routes of other files.

Pure, apart from the problems that are reported. Called by running.py on its thread, and by `mesh explain`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mesh.config import route_table, scoped_routes
from mesh.config.errors import join
from mesh.config.lowering import Lowering
from mesh.xds.response import Response
from meshcore.bind import spec
from meshcore.bind.record import record

SCOPE = "envoy.config.route.v3.ScopedRouteConfiguration"
GAUGES = ("all_scopes", "active_scopes", "on_demand_scopes")


@record
class Found:
    """A scope of a response. `routes` None: on demand, and nobody asks for it: requests with its key find no route."""

    name: str
    key: tuple[str, ...]
    routes: spec.RouteTable | spec.RouteSource | None
    place: int


def lower(source: spec.ScopeSource, response: Response, low: Lowering) -> tuple[Found, ...]:
    """Every scope of a response; raises ConfigError when one of them is wrong."""
    found: list[Found] = []
    for place, message in enumerate(response.resources):
        path = f"resources[{place}]"
        one = Found(message.name, scoped_routes.lower_key(message, low, path), _routes(source, message, low, path), place)
        for other in found:
            if other.name == one.name:
                low.refuse(join(path, "name"), f"duplicate scoped route configuration '{one.name}' found")
            elif other.key == one.key:
                low.refuse(join(path, "key"), f"scope key conflict found, first scope is '{other.name}', second scope is '{one.name}'")
        found.append(one)
    low.report.raise_if_any()
    return tuple(found)


def _routes(source: spec.ScopeSource, message: Any, low: Lowering, path: str) -> spec.RouteTable | spec.RouteSource | None:
    name = message.route_configuration_name
    if message.HasField("route_configuration"):
        return route_table.lower(message.route_configuration, low, join(path, "route_configuration"))
    at = join(path, "route_configuration_name")
    if not name:
        low.refuse(at, "required without 'route_configuration', and not set")
    elif source.routes is None:
        low.refuse(at, "needs 'rds_config_source' where the scopes are configured")
    return spec.RouteSource(name, source.routes) if source.routes is not None and not message.on_demand else None


def table(
    source: spec.ScopeSource, found: tuple[Found, ...], of: Callable[[spec.RouteSource], spec.RouteTable]
) -> spec.RouteTable:
    """What requests are routed by; `of` answers the routes of another file."""
    scopes = []
    for one in found:
        routes = of(one.routes) if isinstance(one.routes, spec.RouteSource) else one.routes
        if routes is not None:
            scopes.append(spec.RouteScope(one.name, one.key, routes, one.place))
    return spec.RouteTable(source.name, (), scopes=spec.Scopes(source.parts, tuple(scopes)))


def gauges(response: Response) -> dict[str, int]:
    """How many scopes there are, and how many of them have routes in another file: wanted at once, and on demand."""
    named = [message for message in response.resources if not message.HasField("route_configuration")]
    lazy = sum(message.on_demand for message in named)
    return dict(zip(GAUGES, (len(response.resources), len(named) - lazy, lazy), strict=True))
