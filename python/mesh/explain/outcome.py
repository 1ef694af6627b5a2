"""What a chosen route does with the request, as (subject, words) pairs: cluster, rewrites, timeouts, retries, headers.

What can be computed is computed by the engine's own functions, on the request as it stands; formats that need an
upstream or a connection are shown as they are written. Knows no configuration paths."""

from __future__ import annotations

import http
import re
from typing import Any

from mesh.explain.model import Request
from meshcore.bind import spec
from meshcore.bind.route_face import RouteTableFace

Facts = list[tuple[str, str]]


def forward(table: spec.RouteTable, host: spec.VirtualHost, route: spec.Route, request: Request, cluster: str) -> Facts:
    action = route.action
    assert isinstance(action, spec.Forward)
    found: Facts = [("cluster", _cluster(action, request, cluster))]
    path, words = _path(table, action, request)
    if path != request.path:
        found.append(("path upstream", f"{path} ({words})"))
    name, words = _host(action, request, cluster)
    if words:
        found.append(("host upstream", f"{name} ({words})"))
    found.append(("timeout", _timeout(action)))
    found += _durations(action)
    found.append(("retries", _retries(action.retry or host.retry)))
    if action.priority_high:
        found.append(("priority", "high: the circuit breakers of that priority count"))
    if action.upgrades:
        found.append(("upgrades", ", ".join(f"{kind} {'on' if on else 'off'}" for kind, on in action.upgrades)))
    return found + _common(host, route)


def redirect(table: spec.RouteTable, host: spec.VirtualHost, route: spec.Route, request: Request) -> Facts:
    action = route.action
    assert isinstance(action, spec.Redirect)
    location = RouteTableFace(table).location(request.host, request.path, request.headers, request.method, request.scheme)
    found = [("answer", _status(action.response_code)), ("location", location or "")]
    return found + _common(host, route)


def https(table: spec.RouteTable, request: Request) -> Facts:
    location = RouteTableFace(table).location(request.host, request.path, tls=True)
    return [("answer", _status(301)), ("location", location or "")]


def direct(host: spec.VirtualHost, route: spec.Route) -> Facts:
    action = route.action
    assert isinstance(action, spec.DirectResponse)
    found = [("answer", _status(action.status))]
    if action.format is not None or action.json is not None:
        found.append(("body", f"formatted: {action.format if action.format is not None else action.json}"))
    elif action.body:
        text = action.body.decode("utf-8", "replace")
        found.append(("body", text if len(text) <= 200 else f"{text[:200]}... ({len(action.body)} bytes)"))
    return found + _common(host, route)


def headers(table: spec.RouteTable, route: spec.Route, request: Request) -> Facts:
    """What the mutations of all levels make of the request's headers, and what they will do to the response's."""
    after = RouteTableFace(table).mutate_request(request.host, request.path, request.headers, request.method, request.random) or []
    before = list(request.headers)
    found = [("request header", f"+ {name}: {value}") for name, value in _beyond(after, before)]
    found += [("request header", f"- {name}: {value}") for name, value in _beyond(before, after)]
    chosen = [part.mutation for part in route.action.weighted] if isinstance(route.action, spec.Forward) else []
    for mutation in (*chosen[:1], route.mutation, *(host.mutation for host in table.virtual_hosts if route in host.routes), table.mutation):
        found += [("response header", f"- {name}") for name in mutation.response_remove]
        found += [("response header", f"+ {add.name}: {add.value} ({add.action.replace('_', ' ')})") for add in mutation.response_add]
    return found


def _beyond(these: list[tuple[str, str]], those: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """What `these` has and `those` lacks, each line counted."""
    rest = list(those)
    found = []
    for pair in these:
        if pair in rest:
            rest.remove(pair)
        else:
            found.append(pair)
    return found


def _cluster(action: spec.Forward, request: Request, chosen: str) -> str:
    missing = f"none; the answer is {_status(action.cluster_not_found_code)}"
    if action.cluster:
        return action.cluster
    if action.cluster_header:
        value = next(iter(request.values(action.cluster_header)), None)
        return f"{value} (header {action.cluster_header})" if value else f"{missing} (no header {action.cluster_header})"
    if not action.weighted:
        return missing
    total = sum(part.weight for part in action.weighted)
    names = [part.cluster or f"as header {part.cluster_header} says" for part in action.weighted]
    shares = ", ".join(f"{name} {100 * part.weight / total:g} %" for name, part in zip(names, action.weighted, strict=True))
    if action.weight_by_hash and action.hash_policy:
        return f"one of {shares} (by the hash of the request)"
    how = f"header {action.weight_header}" if action.weight_header and request.values(action.weight_header) else f"number {request.random}"
    return f"{chosen or 'named by a header'} of {shares} (by {how})"


def _format(text: str, request: Request, omit_empty: bool) -> str:
    from meshcore.bind.format import Formatter

    head = {
        "method": request.method, "path": request.path, "authority": request.host, "scheme": request.scheme,
        "headers": list(request.headers),
    }  # fmt: skip
    return Formatter(text, omit_empty).write({"request": head}).decode("utf-8", "surrogateescape")


def _path(table: spec.RouteTable, action: spec.Forward, request: Request) -> tuple[str, str]:
    if action.path_rewrite:
        made = _format(action.path_rewrite, request, omit_empty=True)
        alone = re.split("[?#]", request.path)[0]
        return (made + request.path[len(alone) :] if made else request.path), f"path_rewrite {action.path_rewrite}"
    made = RouteTableFace(table).rewrite(request.host, request.path, request.headers, request.method) or request.path
    if action.regex_rewrite is not None:
        return made, f"regex_rewrite {action.regex_rewrite[0]} to {action.regex_rewrite[1]}"
    return made, f"prefix_rewrite {action.prefix_rewrite}"


def _host(action: spec.Forward, request: Request, cluster: str) -> tuple[str, str]:
    """(host, words); no words: it stays."""
    from meshcore.bind.matchers import regex_substituted

    if action.host_rewrite_literal:
        return action.host_rewrite_literal, "host_rewrite_literal"
    if action.host_rewrite_header and (values := request.values(action.host_rewrite_header)):
        return values[0], f"header {action.host_rewrite_header}"
    if action.host_rewrite_path_regex is not None:
        made = regex_substituted(*action.host_rewrite_path_regex, re.split("[?#]", request.path)[0])
        return made, "host_rewrite_path_regex"
    if action.host_rewrite:
        return _format(action.host_rewrite, request, omit_empty=False), f"host_rewrite {action.host_rewrite}"
    if action.auto_host_rewrite:
        return "the name of the chosen host", "auto_host_rewrite"
    for part in action.weighted:
        if part.host_rewrite_literal and part.cluster == cluster:
            return part.host_rewrite_literal, "of the weighted cluster"
    return request.host, ""


def _ms(value: int) -> str:
    return f"{value / 1000:g} s" if value >= 1000 else f"{value} ms"


def _timeout(action: spec.Forward) -> str:
    if action.new_timeouts:
        return "max_stream_duration decides"
    return _ms(action.timeout_ms) if action.timeout_ms else "none"


def _durations(action: spec.Forward) -> Facts:
    found: Facts = []
    if action.idle_timeout_ms is not None:
        found.append(("idle timeout", _ms(action.idle_timeout_ms) if action.idle_timeout_ms else "none"))
    if action.max_stream_duration_ms is not None:
        found.append(("max stream duration", _ms(action.max_stream_duration_ms) if action.max_stream_duration_ms else "none"))
    if action.grpc_timeout_header_max_ms is not None:
        cap = _ms(action.grpc_timeout_header_max_ms) if action.grpc_timeout_header_max_ms else "no limit"
        found.append(("grpc-timeout", f"is obeyed, at most {cap}"))
    return found


def _retries(policy: Any) -> str:
    if policy is None:
        return "none"
    text = f"{policy.num_retries} on {', '.join(policy.retry_on) or 'nothing'}"
    if policy.retriable_status_codes:
        text += f" ({', '.join(map(str, policy.retriable_status_codes))})"
    if policy.per_try_timeout_ms:
        text += f", {_ms(policy.per_try_timeout_ms)} each"
    return text


def _common(host: spec.VirtualHost, route: spec.Route) -> Facts:
    found: Facts = []
    if route.stat_prefix:
        found.append(("statistics", f"vhost.{host.name}.route.{route.stat_prefix}"))
    return found


def _status(code: int) -> str:
    try:
        return f"{code} {http.HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)
