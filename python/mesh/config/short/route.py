"""Routes of the short form, and the virtual hosts that they fall into.

Keys of a route: `match` (see match.py; a list matches any of them), then one of
    to: HOST:PORT | [..] | {HOST:PORT: weight} | NAME of `upstreams`
    reply: 204 | {status: 200, body: "ok"}
    redirect: https | https://host/path | /path | {to: .., code: 302, keep_query: false}
and, with `to`: `timeout` (15s, `off`), `idle_timeout`, `retries` (N or {count, on, per_try, back_off}), `rewrite`
(replaces the matched prefix), `host` (a name, `upstream`, or `keep`), `websocket`; with everything: `name`,
`methods`, `if_headers`, `if_query` (name: value, `true` for present, `~ regex`), `request_headers`,
`response_headers` (name: value to set, null to remove).

Envoy picks a virtual host first and never falls back to another. A person reads routes from top to bottom, so each
virtual host gets, in the order of the file, every route that may take one of its requests: those of that host, of a
pattern over it, and of no host."""

from __future__ import annotations

from typing import Any

from mesh.config.errors import join
from mesh.config.scalars import shown
from mesh.config.short import action
from mesh.config.short.match import Match, covers, parse
from mesh.config.short.target import Clusters
from mesh.config.short.value import Reader
from meshcore.bind.record import field, record

ACTIONS = ("to", "reply", "redirect")
FORWARD_KEYS = ("timeout", "idle_timeout", "retries", "rewrite", "host", "websocket")
KEYS = (
    "match",
    *ACTIONS,
    *FORWARD_KEYS,
    "name",
    "methods",
    "if_headers",
    "if_query",
    "request_headers",
    "response_headers",
)


@record(frozen=False)
class Hosts:
    """Virtual hosts as Envoy trees, and the short path of each of their routes."""

    trees: list[dict[str, Any]] = field(default_factory=list)
    sources: list[list[str]] = field(default_factory=list)

    @property
    def ignore_port(self) -> bool:
        """Whether `example.com` also stands for `example.com:8080`; not when some route tells ports apart."""
        return not any(":" in tree["name"] for tree in self.trees)


def virtual_hosts(routes: Any, clusters: Clusters, reader: Reader) -> Hosts:
    if routes is None or routes == []:
        reader.refuse("routes", "required, and not set; write at least one route with 'match' and 'to'")
        return Hosts()
    expanded: list[tuple[Match, dict[str, Any], str]] = []
    for item, path in reader.mappings(routes, "routes"):
        expanded += [(match, tree, path) for match, tree in _route(item, path, clusters, reader)]
    named = list(dict.fromkeys(match.host for match, _, _ in expanded if match.host))
    found = Hosts()
    for host in [*named, ""]:
        mine = [(tree, path) for match, tree, path in expanded if covers(match.host, host)]
        if mine:
            found.trees.append({"name": host or "all", "domains": [host or "*"], "routes": [tree for tree, _ in mine]})
            found.sources.append([path for _, path in mine])
    return found


def _route(item: dict[str, Any], path: str, clusters: Clusters, reader: Reader) -> list[tuple[Match, dict[str, Any]]]:
    reader.keys(item, KEYS, path)
    chosen = [key for key in ACTIONS if key in item]
    if len(chosen) != 1:
        text = f"{' and '.join(map(repr, chosen))} exclude each other" if chosen else "needs one of 'to', 'reply', 'redirect'"
        reader.refuse(path, text)
        return []
    if chosen[0] != "to":
        for key in FORWARD_KEYS:
            if key in item:
                reader.refuse(join(path, key), f"belongs to a route with 'to', not with '{chosen[0]}'")
    if "match" not in item:
        reader.refuse(path, "needs 'match'; write / to match everything")
        return []
    shared = _shared(item, path, reader)
    found = []
    texts = item["match"] if isinstance(item["match"], list) else [item["match"]]
    for index, text in enumerate(texts):
        at = f"{path}.match[{index}]" if isinstance(item["match"], list) else join(path, "match")
        match = parse(text) if isinstance(text, str) else f"text belongs here, not {shown(text)}"
        if isinstance(match, str):
            reader.refuse(at, match)
            continue
        tree = {"match": {**match.path, **shared["match"]}, **shared["route"]}
        tree |= action.tree(chosen[0], item, path, match, clusters, reader)
        found.append((match, tree))
    return found


def _shared(item: dict[str, Any], path: str, reader: Reader) -> dict[str, dict[str, Any]]:
    """What every action shares: conditions of the match, and header changes."""
    headers = [_condition(name, value) for name, value in _pairs(item, "if_headers", path, reader)]
    if "methods" in item:
        methods = [method.upper() for method in reader.texts(item["methods"], join(path, "methods"))]
        one = {"exact": methods[0]} if len(methods) == 1 else {"safe_regex": {"regex": "|".join(methods)}}
        headers.append({"name": ":method", "string_match": one})
    query = [_condition(name, value) for name, value in _pairs(item, "if_query", path, reader)]
    match: dict[str, Any] = {}
    if headers:
        match["headers"] = headers
    if query:
        match["query_parameters"] = query
    route: dict[str, Any] = {}
    if "name" in item:
        route["name"] = reader.text(item["name"], join(path, "name"))
    for key in ("request_headers", "response_headers"):
        pairs = _pairs(item, key, path, reader, removable=True)
        changed = [{"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
                   for name, value in pairs if value is not None]  # fmt: skip
        removed = [name for name, value in pairs if value is None]
        if changed:
            route[f"{key}_to_add"] = changed
        if removed:
            route[f"{key}_to_remove"] = removed
    return {"match": match, "route": route}


def _pairs(item: dict[str, Any], key: str, path: str, reader: Reader, removable: bool = False) -> list[tuple[str, Any]]:
    """(name, text) of a mapping; True (present) passes in conditions, None (remove) in changes, a number becomes
    text."""
    found: list[tuple[str, Any]] = []
    at = join(path, key)
    for name, value in reader.mapping(item.get(key) or {}, at).items():
        if isinstance(value, bool):
            if removable or not value:
                reader.refuse(join(at, name), f"text belongs here, not {shown(value)}; put quotes around it")
                continue
        elif isinstance(value, int | float):
            value = str(value)
        elif value is None and not removable:
            reader.refuse(join(at, name), "text belongs here; write true for a name that must be present")
            continue
        elif value is not None and not isinstance(value, str):
            reader.refuse(join(at, name), f"text belongs here, not {shown(value)}")
            continue
        found.append((name, value))
    return found


def _condition(name: str, value: Any) -> dict[str, Any]:
    if value is True:
        return {"name": name, "present_match": True}
    if value.startswith("~"):
        return {"name": name, "string_match": {"safe_regex": {"regex": value[1:].strip()}}}
    return {"name": name, "string_match": {"exact": value}}
