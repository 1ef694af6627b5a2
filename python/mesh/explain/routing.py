"""From a request to its route: virtual host, match tree, routes, first match first.

Written as Envoy's documentation tells it, a walk in configured order; what the compiled table answers is compared with it in
__init__.py. Paths are those of the bootstrap; lines are put to them later."""

from __future__ import annotations

from collections.abc import Callable

from mesh.explain import conditions, trees
from mesh.explain.model import Request, Step
from meshcore.bind import spec

EACH_MAX = 40  # routes that are shown one by one; of the others, only those whose path matched
ORDER = ("exact name", "wildcard suffix", "wildcard prefix", "'*'")


def host_name(table: spec.RouteTable, request: Request) -> str | None:
    """What virtual hosts are chosen by."""
    if table.vhost_header:
        return next(iter(request.values(table.vhost_header)), None)
    return request.host


def without_port(name: str) -> str:
    head, colon, _ = name.rpartition(":")
    return head if colon and "]" not in name[len(head) :] else name


def rank(domain: str, name: str) -> tuple[int, int] | None:
    """How well a domain fits: the greater, the better. None: not at all."""
    domain = conditions.fold(domain)
    if domain == "*":
        return 0, 0
    if domain.startswith("*"):
        return (2, len(domain)) if name.endswith(domain[1:]) and len(name) >= len(domain) else None
    if domain.endswith("*"):
        return (1, len(domain)) if name.startswith(domain[:-1]) and len(name) >= len(domain) else None
    return (3, 0) if name == domain else None


def find_host(table: spec.RouteTable, request: Request, path: str) -> tuple[int | None, Step]:
    """(position of the virtual host, how it was found)."""
    step = Step("virtual_host", "virtual host", False, "", f"{path}.virtual_hosts")
    name = host_name(table, request)
    every = [domain for host in table.virtual_hosts for domain in host.domains]
    if name is None and set(every) != {"*"}:
        step.why = f"the request has no header {table.vhost_header}" if table.vhost_header else "the request names no host"
        return None, step
    seen = conditions.fold(name or "")
    if table.ignore_port_in_host:
        seen = without_port(seen)
    fits: list[tuple[tuple[int, int], int, str]] = []
    for index, host in enumerate(table.virtual_hosts):
        for domain in host.domains:
            if (found := rank(domain, seen)) is not None:
                fits.append((found, index, domain))
    if not fits:
        step.why = f"no domain of {len(table.virtual_hosts)} virtual hosts fits '{seen}'"
        return None, step
    (best, _), index, domain = max(fits, key=lambda fit: fit[0])
    host = table.virtual_hosts[index]
    step.title, step.ok, step.path = f"virtual host '{host.name}'", True, f"{path}.virtual_hosts[{index}]"
    step.why = f"domain '{domain}' fits '{seen}' ({ORDER[3 - best]})"
    for _, other, weaker in sorted(fits, key=lambda fit: fit[0], reverse=True):
        if other != index:
            at = f"{path}.virtual_hosts[{other}]"
            text = f"'{weaker}' fits too, but is less specific"
            step.inner.append(Step("virtual_host", f"virtual host '{table.virtual_hosts[other].name}'", False, text, at))
    return index, step


def find_route(table: spec.RouteTable, host: spec.VirtualHost, request: Request, path: str) -> tuple[int | None, str, Step]:
    """(position of the route, its path, what was tried)."""
    if host.matcher is None:
        step = Step("matcher", "routes", False, "in order, the first match wins", f"{path}.routes")
        found = _first(table, host, (0, len(host.routes)), request, lambda n: f"{path}.routes[{n}]", step)
        return found, f"{path}.routes[{found}]" if found is not None else "", step
    step = Step("matcher", "match tree", False, "", f"{path}.matcher")
    chosen = trees.walk(host.matcher, request, f"{path}.matcher", step)
    if chosen is None:
        step.why = step.why or "no branch takes the request"
        return None, "", step
    action, at = chosen
    part = host.route_lists[action]

    def place(n: int) -> str:
        inner = f"{at}.typed_config"
        return inner if part[1] == 1 else f"{inner}.routes[{n - part[0]}]"

    found = _first(table, host, part, request, place, step)
    if found is None:
        step.why = "the tree chose routes that do not take the request"
        step.ok = False
    return found, place(found) if found is not None else "", step


def title(route: spec.Route, index: int) -> str:
    return f"route '{route.name}'" if route.name else f"route {index}"


def _first(
    table: spec.RouteTable, host: spec.VirtualHost, part: tuple[int, int], request: Request, place: Callable[[int], str], step: Step
) -> int | None:
    passed = 0
    for index in range(part[0], part[0] + part[1]):
        route = host.routes[index]
        holds, path_holds, words = conditions.route(route.match, request, table.ignore_path_parameters)
        if not holds and not path_holds and index - part[0] >= EACH_MAX:
            passed += 1
            continue
        if passed:
            step.inner.append(Step("skipped", f"{passed} routes", False, "their paths do not match"))
            passed = 0
        step.inner.append(Step("route", title(route, index), holds, "; ".join(words), place(index)))
        if holds:
            step.ok = True
            return index
    if passed:
        step.inner.append(Step("skipped", f"{passed} routes", False, "their paths do not match"))
    return None
