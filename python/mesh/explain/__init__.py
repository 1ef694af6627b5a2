"""Why a request takes its route: `explain(loaded, Request(host="a.com", path="/x"))`.

The walk is written in Python, step by step with the reason of each (routing.py, trees.py, conditions.py); the choice is
also asked of the compiled table, and the two have to agree: if they do not, that is a defect of the program and is
raised as `Disagreement`. `mesh.cli.explain` prints what comes out. Starts nothing and opens no socket."""

from __future__ import annotations

from typing import Any

from mesh.config import Locate
from mesh.explain import files, outcome, routing, scopes
from mesh.explain.model import Explanation, Request, Step
from meshcore.bind import spec
from meshcore.bind.record import replace
from meshcore.bind.route_face import RouteTableFace

__all__ = ["Disagreement", "Explanation", "Request", "Step", "explain", "explain_table"]


class Disagreement(AssertionError):
    """The walk and the engine chose different routes."""


def explain(
    loaded: Any, request: Request, listener: str | None = None, locate: Locate | None = None, chain: str | None = None
) -> Explanation:
    """Explains `request` by a `mesh.config.Loaded`. `listener`: its name; None: the only one, or the one on the port
    that the host names, or the first. `chain`: the name of its filter chain, or the stat_prefix of the connection
    manager there; None: the first that speaks HTTP. Raises KeyError for one that is not there, and ConfigError for
    routes in a file of their own that are wrong. `locate` (mesh.config.locator) puts the lines of the file to the steps."""
    index, chosen, why = _listener(loaded.plan.listeners, request, listener)
    position, manager, how = _manager(chosen, chain)
    base = _hcm_path(loaded.bootstrap, index, position)
    seen, notes = _as_routed(chosen, manager, request)
    steps = [Step("listener", f"listener '{chosen.name}'", True, why, f"static_resources.listeners[{index}]")]
    if how:
        steps.append(Step("chain", f"connection manager '{manager.stat_prefix}'", True, how, base))
    if manager.srds is not None:
        why = f"read from {manager.srds.source.path}"
        steps.append(Step("scopes", f"scopes '{manager.srds.name}'", True, why, f"{base}.scoped_routes"))
        scoped = scopes.Files(loaded, manager.srds)
        found = explain_table(scoped.table, seen, scopes.RESOURCES, scoped.path)
        locate = scoped.located(locate, found.scope) if locate is not None else None
    elif manager.rds is None:
        found = explain_table(manager.routes, seen, f"{base}.{'route_config' if manager.routes.scopes is None else 'scoped_routes'}")
    else:
        steps.append(Step("routes", f"routes '{manager.rds.name}'", True, f"read from {manager.rds.source.path}", f"{base}.rds"))
        table, response = files.table(loaded, manager.rds)
        found = explain_table(table, seen, files.RESOURCE)
        locate = files.of_both(locate, response.locate) if locate is not None else None
    found.listener, found.steps, found.notes = chosen.name, [*steps, *found.steps], notes + found.notes
    if locate is None:
        return found
    for one in (inner for step in found.steps for inner in step.walk()):
        if one.path:
            one.origin, one.line, one.path = locate(one.path)
    if found.route_path:
        found.route_path = locate(found.route_path)[2]
    return found


def explain_table(
    table: spec.RouteTable, request: Request, path: str = "route_config", of_scope: scopes.PathOf = scopes.inline_path
) -> Explanation:
    """The same for one route table, whose field is `path`; `of_scope` answers the field of the table of one of its scopes."""
    if request.method == "CONNECT":
        # Its target is an authority: there is no path.
        request = replace(request, path="")
    found = Explanation(request, "", [])
    whole = table
    if table.scopes is not None:
        scope, step = scopes.find(table.scopes, request, path, of_scope)
        found.steps.append(step)
        if scope is None:
            _compare(whole, request, None, None)
            return found
        table, path, found.scope = scope.routes, step.path, scope.name
    index, step = routing.find_host(table, request, path)
    found.steps.append(step)
    if index is None:
        _compare(whole, request, None, None)
        return found
    host = table.virtual_hosts[index]
    found.virtual_host = host.name
    position, found.route_path, tried = routing.find_route(table, host, request, step.path)
    found.steps.append(tried)
    engine = _compare(whole, request, host, position)
    if host.require_tls != "none" and request.scheme != "https":
        found.action, found.facts = "https", outcome.https(table, request)
        found.notes.append(f"the virtual host requires TLS ({host.require_tls.replace('_', ' ')}) and the request came without")
        return found
    if position is None:
        return found
    route = host.routes[position]
    found.route, found.route_name = position, route.name
    _fill(found, table, host, route, request, engine.cluster)
    return found


def _fill(
    found: Explanation, table: spec.RouteTable, host: spec.VirtualHost, route: spec.Route, request: Request, cluster: str
) -> None:
    if isinstance(route.action, spec.Forward):
        found.action = "forward"
        found.facts = outcome.forward(table, host, route, request, cluster) + outcome.headers(table, route, request)
    elif isinstance(route.action, spec.Redirect):
        found.action = "redirect"
        found.facts = outcome.redirect(table, host, route, request)
    else:
        found.action = "direct_response"
        found.facts = outcome.direct(host, route)


def _compare(table: spec.RouteTable, request: Request, host: spec.VirtualHost | None, position: int | None) -> Any:
    """What the compiled table answers."""
    face = RouteTableFace(table)
    found = face.find(request.host, request.path, request.headers, request.method, request.random, request.scheme, request.stream)
    ours = (host.name, position) if host is not None and position is not None else None
    theirs = (found.virtual_host, found.index) if found is not None else None
    if ours != theirs:
        raise Disagreement(f"the walk chose {ours}, the engine {theirs}, for {request}")
    return found


def _listener(listeners: tuple[spec.Listener, ...], request: Request, name: str | None) -> tuple[int, spec.Listener, str]:
    http = [(index, one) for index, one in enumerate(listeners) if one.managers]
    for index, one in http:
        if name is not None and one.name == name:
            return index, one, "asked for by name"
    if name is not None or not http:
        raise KeyError(f"none that speaks HTTP is called '{name}'" if name else "the configuration has none that speaks HTTP")
    if len(http) == 1:
        return *http[0], "the only one"
    _, _, port = request.host.rpartition(":")
    for index, one in http:
        if port == str(one.address.port):
            return index, one, f"its port is that of the host name, {port}"
    return *http[0], f"the first of {len(http)}; --listener NAME chooses another"


def _manager(listener: spec.Listener, name: str | None) -> tuple[int, spec.Hcm, str]:
    """(position of the chain, its connection manager, why that one; "" when there is no other)."""
    found = [(position, chain.hcm, chain.name) for position, chain in enumerate(listener.chains) if chain.hcm is not None]
    if name is not None:
        for position, manager, own in found:
            if name in (own, manager.stat_prefix):
                return position, manager, "asked for by name"
        known = ", ".join(own or manager.stat_prefix for _, manager, own in found)
        raise KeyError(f"'{listener.name}' has no filter chain that is called '{name}' and speaks HTTP; {known} do")
    position, manager, _ = found[0]
    return position, manager, f"the first of {len(found)}; --chain NAME chooses another" if len(found) > 1 else ""


def _hcm_path(bootstrap: Any, index: int, position: int) -> str:
    chains = bootstrap.static_resources.listeners[index].filter_chains
    chain = f"filter_chains[{position}]" if position < len(chains) else "default_filter_chain"
    return f"static_resources.listeners[{index}].{chain}.filters[0].typed_config"


def _as_routed(listener: spec.Listener, hcm: spec.Hcm, request: Request) -> tuple[Request, list[str]]:
    """The request as the connection manager hands it to the route table, and what the reader should know of that."""
    notes: list[str] = []
    host = request.host
    head, colon, port = host.rpartition(":")
    if colon and "]" not in port and (hcm.strip_any_host_port or (hcm.strip_matching_host_port and port == str(listener.address.port))):
        notes.append(f"the connection manager takes the port off the host: {host} becomes {head}")
        host = head
    if hcm.strip_trailing_host_dot and host.endswith("."):
        host = host[:-1]
        notes.append(f"the connection manager takes the dot off the host: {host}")
    alone = request.path.partition("?")[0]
    if (hcm.normalize_path and ("/." in alone or "\\" in alone)) or (hcm.merge_slashes and "//" in alone):
        notes.append("the connection manager normalizes paths before they are routed; ask for the normalized path")
    return replace(request, host=host), notes
