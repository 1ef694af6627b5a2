"""The reference: Envoy's walk through virtual hosts and routes, one by one, written as plainly as possible.

Only for tests: whatever the compiled table answers has to be what this answers.
"""

from __future__ import annotations

import re

from meshcore.bind.spec import HeaderMatch, QueryMatch, Route, RouteTable, StringMatch, VirtualHost


def string_holds(match: StringMatch, text: str) -> bool:
    value = match.value
    if match.kind == "regex":
        return re.fullmatch(value, text, re.DOTALL) is not None
    if match.ignore_case:
        value, text = value.lower(), text.lower()
    return {
        "exact": text == value,
        "prefix": text.startswith(value),
        "suffix": text.endswith(value),
        "contains": value in text,
    }[match.kind]


def header_holds(match: HeaderMatch, headers: list[tuple[str, str]]) -> bool:
    values = [value for name, value in headers if name == match.name.lower()]
    if not values and match.treat_missing_as_empty:
        values = [""]
    if match.string is None and match.range is None:
        return (bool(values) == (match.present is not False)) != match.invert
    if not values:
        return False
    if match.string is not None:
        return any(string_holds(match.string, value) for value in values) != match.invert
    first, end = match.range
    return any(re.fullmatch("[+-]?[0-9]+", v) is not None and first <= int(v) < end for v in values) != match.invert


def query_holds(match: QueryMatch, path: str) -> bool:
    pairs = [part.partition("=") for part in path.partition("?")[2].split("&")] if "?" in path else []
    values = [value for name, _, value in pairs if name == match.name]
    if match.string is None:
        return bool(values) == (match.present is not False)
    return bool(values) and string_holds(match.string, values[0])


def path_holds(route: Route, path: str, method: str, ignore_parameters: bool) -> bool:
    match = route.match
    if match.path_kind == "connect":
        return method == "CONNECT"
    if not path:
        return False
    alone = re.split("[?#;]" if ignore_parameters else "[?#]", path)[0]
    if match.path_kind == "regex":
        return re.fullmatch(match.path, alone, re.DOTALL) is not None
    wanted = match.path
    if not match.case_sensitive:
        wanted, alone = wanted.lower(), alone.lower()
    return {
        "prefix": alone.startswith(wanted),
        "path": alone == wanted,
        "path_separated_prefix": alone == wanted or alone.startswith(wanted + "/"),
    }[match.path_kind]


def find_route(
    table: RouteTable, host: VirtualHost, path: str, headers: list[tuple[str, str]], method: str, random: int
) -> int | None:
    for index, route in enumerate(host.routes):
        match = route.match
        if match.runtime_fraction is not None and random % match.runtime_fraction.denominator >= match.runtime_fraction.numerator:
            continue
        if not all(header_holds(h, headers) for h in match.headers) or not all(
            query_holds(q, path) for q in match.query
        ):
            continue
        if path_holds(route, path, method, table.ignore_path_parameters):
            return index
    return None


def find_host(table: RouteTable, authority: str) -> VirtualHost | None:
    name = authority.lower()
    if table.ignore_port_in_host and ":" in name and "]" not in name[name.rindex(":") :]:
        name = name[: name.rindex(":")]
    best: tuple[int, int] | None = None
    found = None
    for host in table.virtual_hosts:
        for domain in host.domains:
            domain = domain.lower()
            if domain == "*":
                rank = (0, 0)
            elif domain.startswith("*"):
                rank = (2, len(domain)) if name.endswith(domain[1:]) and len(name) >= len(domain) else None
            elif domain.endswith("*"):
                rank = (1, len(domain)) if name.startswith(domain[:-1]) and len(name) >= len(domain) else None
            else:
                rank = (3, 0) if name == domain else None
            if rank is not None and (best is None or rank > best):
                best, found = rank, host
    return found
