"""envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes: several route tables behind one connection manager.

A request's headers make a key, and the scope with that key has the table. Scopes stand in the configuration, with their tables, or come
from files (SRDS, called by mesh.xds), where they may also name a table that another file holds. A scope whose name or key stands twice
replaces the one before it, as in Envoy; a response of files with such scopes is refused."""

from __future__ import annotations

from typing import Any

from mesh.config import config_source, route_table
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each
from meshcore.bind import spec

SCOPED = "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes"
ROUTES = Fields(
    SCOPED, {"name", "scope_key_builder", "rds_config_source", "scoped_route_configurations_list", "scoped_rds"}
)
BUILDER = Fields(f"{SCOPED}.ScopeKeyBuilder", {"fragments"})
FRAGMENT = Fields(f"{SCOPED}.ScopeKeyBuilder.FragmentBuilder", {"header_value_extractor"})
HEADER = Fields(
    f"{SCOPED}.ScopeKeyBuilder.FragmentBuilder.HeaderValueExtractor", {"name", "element_separator", "index", "element"}
)
ELEMENT = Fields(f"{SCOPED}.ScopeKeyBuilder.FragmentBuilder.HeaderValueExtractor.KvElement", {"separator", "key"})
LIST = Fields(
    "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRouteConfigurationsList", {"scoped_route_configurations"}
)
SOURCE = Fields(
    "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRds",
    {"scoped_rds_config_source"},
    instead={"srds_resources_locator": "files have none"},
)
# Without the filter that asks for them, on-demand scopes of files are never there; those of the configuration always are.
SCOPE = Fields(
    "envoy.config.route.v3.ScopedRouteConfiguration",
    {"name", "key", "route_configuration_name", "route_configuration", "on_demand"},
)
KEY = Fields("envoy.config.route.v3.ScopedRouteConfiguration.Key", {"fragments"})
TEXT = Fields("envoy.config.route.v3.ScopedRouteConfiguration.Key.Fragment", {"string_key"})


def lower(message: Any, low: Lowering, path: str) -> spec.RouteTable:
    """The table of all scopes that stand in the configuration."""
    ROUTES.check(message, low.report, path)
    parts = _parts(message.scope_key_builder, low, join(path, "scope_key_builder"))
    at = join(path, "scoped_route_configurations_list")
    LIST.check(message.scoped_route_configurations_list, low.report, at)
    items = message.scoped_route_configurations_list.scoped_route_configurations
    at = join(at, "scoped_route_configurations")
    found = [_inline(item, low, f"{at}[{place}]", place) for place, item in enumerate(items)]
    return spec.RouteTable(message.name, (), scopes=spec.Scopes(parts, last_of_each(found)))


def lower_source(message: Any, routes: spec.RouteTable, low: Lowering, path: str) -> spec.ScopeSource | None:
    """Where scopes come from that are not in the configuration; None: they are, or there are none. `routes`: what `lower` made of it."""
    if not message.HasField("scoped_rds") or routes.scopes is None:
        return None
    at = join(path, "scoped_rds")
    SOURCE.check(message.scoped_rds, low.report, at)
    source = config_source.lower(message.scoped_rds.scoped_rds_config_source, low, join(at, "scoped_rds_config_source"))
    tables = None
    if message.HasField("rds_config_source"):
        tables = config_source.lower(message.rds_config_source, low, join(path, "rds_config_source"))
    return spec.ScopeSource(message.name, routes.scopes.parts, source, tables) if source is not None else None


def last_of_each(scopes: list[spec.RouteScope]) -> tuple[spec.RouteScope, ...]:
    """What is left when each scope takes the place of one of its name, and of one with its key."""
    named: dict[str, spec.RouteScope] = {}
    keyed: dict[tuple[str, ...], spec.RouteScope] = {}
    for one in scopes:
        if one.name in named:
            keyed.pop(named[one.name].key, None)
        named[one.name] = keyed[one.key] = one
    return tuple(keyed.values())


def lower_key(message: Any, low: Lowering, path: str) -> tuple[str, ...]:
    """The key of a ScopedRouteConfiguration, whose fields are checked as well."""
    SCOPE.check(message, low.report, path)
    at = join(path, "key")
    KEY.check(message.key, low.report, at)
    for place, fragment in enumerate(message.key.fragments):
        TEXT.check(fragment, low.report, f"{at}.fragments[{place}]")
    return tuple(fragment.string_key for fragment in message.key.fragments)


def _inline(message: Any, low: Lowering, path: str, place: int) -> spec.RouteScope:
    key = lower_key(message, low, path)
    if message.route_configuration_name:
        low.refuse(join(path, "route_configuration_name"), "a scope of the configuration has its routes in 'route_configuration'")
    elif not message.HasField("route_configuration"):
        low.refuse(join(path, "route_configuration"), "required, and not set")
    table = route_table.lower(message.route_configuration, low, join(path, "route_configuration"))
    return spec.RouteScope(message.name, key, table, place)


def _parts(message: Any, low: Lowering, path: str) -> tuple[spec.KeyPart, ...]:
    BUILDER.check(message, low.report, path)
    return each(message.fragments, join(path, "fragments"), lambda item, at: _part(item, low, at))


def _part(message: Any, low: Lowering, path: str) -> spec.KeyPart:
    FRAGMENT.check(message, low.report, path)
    at = join(path, "header_value_extractor")
    header = message.header_value_extractor
    HEADER.check(header, low.report, at)
    which = header.WhichOneof("extract_type")
    if which == "element":
        ELEMENT.check(header.element, low.report, join(at, "element"))
        return spec.KeyPart(header.name, header.element_separator, 0, header.element.key, header.element.separator)
    if which is None:
        low.refuse(at, "one of 'index' and 'element' is required, and none is set")
    if header.index and not header.element_separator:
        low.refuse(join(at, "index"), f"{header.index}; without 'element_separator' there is only element 0")
    return spec.KeyPart(header.name, header.element_separator, header.index)
