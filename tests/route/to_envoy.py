"""Writes a `spec.RouteTable` as Envoy's RouteConfiguration, so that one table can be asked in both programs.

Only for tests. With `answer_index`, a forwarding route becomes a direct response whose body is "virtual
host/position", which is
what tests of matching want to know; otherwise it forwards to the cluster of its name.
"""

from __future__ import annotations

from typing import Any

from meshcore.bind import spec

ACTIONS = {
    "append": "APPEND_IF_EXISTS_OR_ADD",
    "add_if_absent": "ADD_IF_ABSENT",
    "overwrite": "OVERWRITE_IF_EXISTS_OR_ADD",
    "overwrite_if_exists": "OVERWRITE_IF_EXISTS",
}
CODES = {301: "MOVED_PERMANENTLY", 302: "FOUND", 303: "SEE_OTHER", 307: "TEMPORARY_REDIRECT", 308: "PERMANENT_REDIRECT"}


def string(match: spec.StringMatch) -> dict[str, Any]:
    value: Any = {"regex": match.value} if match.kind == "regex" else match.value
    out = {"safe_regex" if match.kind == "regex" else match.kind: value}
    if match.ignore_case:
        out["ignore_case"] = True
    return out


def header(match: spec.HeaderMatch) -> dict[str, Any]:
    out: dict[str, Any] = {"name": match.name}
    if match.string is not None:
        out["string_match"] = string(match.string)
    if match.present is not None:
        out["present_match"] = match.present
    if match.range is not None:
        out["range_match"] = {"start": match.range[0], "end": match.range[1]}
    if match.invert:
        out["invert_match"] = True
    if match.treat_missing_as_empty:
        out["treat_missing_header_as_empty"] = True
    return out


def query(match: spec.QueryMatch) -> dict[str, Any]:
    out: dict[str, Any] = {"name": match.name}
    if match.string is not None:
        out["string_match"] = string(match.string)
    if match.present is not None:
        out["present_match"] = match.present
    return out


def condition(match: spec.RouteMatch) -> dict[str, Any]:
    out: dict[str, Any] = {
        "prefix": {"prefix": match.path},
        "path": {"path": match.path},
        "regex": {"safe_regex": {"regex": match.path}},
        "path_separated_prefix": {"path_separated_prefix": match.path},
        "connect": {"connect_matcher": {}},
    }[match.path_kind]
    if not match.case_sensitive:
        out["case_sensitive"] = False
    if match.headers:
        out["headers"] = [header(h) for h in match.headers]
    if match.query:
        out["query_parameters"] = [query(q) for q in match.query]
    if match.grpc:
        out["grpc"] = {}
    return out


def regex_rewrite(pair: tuple[str, str]) -> dict[str, Any]:
    return {"pattern": {"regex": pair[0]}, "substitution": pair[1]}


def redirect(action: spec.Redirect) -> dict[str, Any]:
    out: dict[str, Any] = {"response_code": CODES[action.response_code]}
    if action.scheme:
        out["scheme_redirect"] = action.scheme
    if action.host:
        out["host_redirect"] = action.host
    if action.port:
        out["port_redirect"] = action.port
    if action.path_redirect:
        out["path_redirect"] = action.path_redirect
    if action.prefix_rewrite:
        out["prefix_rewrite"] = action.prefix_rewrite
    if action.regex_rewrite is not None:
        out["regex_rewrite"] = regex_rewrite(action.regex_rewrite)
    if action.strip_query:
        out["strip_query"] = True
    return out


def forward(action: spec.Forward) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if action.weighted:
        out["weighted_clusters"] = {
            "clusters": [
                {"name": part.cluster, "weight": part.weight, **mutation(part.mutation)} for part in action.weighted
            ]
        }
    else:
        out["cluster"] = action.cluster
    if action.prefix_rewrite:
        out["prefix_rewrite"] = action.prefix_rewrite
    if action.regex_rewrite is not None:
        out["regex_rewrite"] = regex_rewrite(action.regex_rewrite)
    return out


def adds(options: tuple[spec.HeaderAdd, ...]) -> list[dict[str, Any]]:
    return [
        {
            "header": {"key": option.name, "value": option.value},
            "append_action": ACTIONS[option.action],
            "keep_empty_value": option.keep_empty,
        }
        for option in options
    ]


def mutation(lists: spec.HeaderMutation) -> dict[str, Any]:
    return {
        "request_headers_to_add": adds(lists.request_add),
        "request_headers_to_remove": list(lists.request_remove),
        "response_headers_to_add": adds(lists.response_add),
        "response_headers_to_remove": list(lists.response_remove),
    }


def route(host: spec.VirtualHost, index: int, answer_index: bool) -> dict[str, Any]:
    one = host.routes[index]
    out: dict[str, Any] = {"match": condition(one.match), "name": one.name, **mutation(one.mutation)}
    if isinstance(one.action, spec.Redirect):
        out["redirect"] = redirect(one.action)
    elif isinstance(one.action, spec.DirectResponse):
        out["direct_response"] = {"status": one.action.status}
    elif answer_index:
        out["direct_response"] = {"status": 200, "body": {"inline_string": f"{host.name}/{index}"}}
    else:
        out["route"] = forward(one.action)
    return out


def route_config(table: spec.RouteTable, answer_index: bool = False) -> dict[str, Any]:
    return {
        "name": table.name,
        "most_specific_header_mutations_wins": table.most_specific_mutations_win,
        "ignore_port_in_host_matching": table.ignore_port_in_host,
        "ignore_path_parameters_in_path_matching": table.ignore_path_parameters,
        **mutation(table.mutation),
        "virtual_hosts": [
            {
                "name": host.name,
                "domains": list(host.domains),
                "require_tls": host.require_tls.upper(),
                "routes": [route(host, index, answer_index) for index in range(len(host.routes))],
                **mutation(host.mutation),
            }
            for host in table.virtual_hosts
        ],
    }
