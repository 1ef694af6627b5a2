"""The short form, `mesh.yaml`: a proxy in ten lines, expanded to the same bootstrap that Envoy would be given.

    listen: 0.0.0.0:8080                  # an address, a port, a list of them, or a path for a Unix socket
    routes:                               # the first that matches takes the request
      - match: api.example.com/v1         # host and path; = /exact, ~ /regex.*, *.example.com, / for everything
        to: [10.0.0.1:9000, 10.0.0.2:9000]
        retries: 2
        timeout: 3s
      - match: /
        to: web.internal:8000
    admin: 127.0.0.1:9901
    log: stdout

Top level     `listen`, `routes`, `upstreams` (name -> targets and limits), `filters` (Python filters), `log`,
`admin`, `node`,
              `trusted_hops`, `idle_timeout`, `max_request_headers`.
A route       `match`, one of `to`, `reply`, `redirect`, and what short/route.py documents (timeouts, retries,
rewriting, headers).
              `docs/short-form.md` has every key with an example.

Owns the walk over the top level; route.py, match.py, target.py and value.py own their parts. Nothing here makes
messages: it makes the tree of an Envoy configuration, and remembers which part of the short form each piece came from
(`Places`), so that an error found later still names the line the user wrote. Called by config.load, on its thread.
"""

from __future__ import annotations

from typing import Any

from mesh.config.errors import Report
from mesh.config.parse import parse_into
from mesh.config.short import listen, route, target
from mesh.config.short.places import Places
from mesh.config.short.value import Reader

TYPES = "type.googleapis.com/envoy.extensions"
HCM_TYPE = f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{TYPES}.filters.http.router.v3.Router"}}
KEYS = (
    "listen", "routes", "upstreams", "filters", "log", "admin", "node", "trusted_hops", "idle_timeout",
    "max_request_headers",
)  # fmt: skip
LISTENERS = "static_resources.listeners"
ROUTE_PARTS = {
    "match": "match", "match.headers": "if_headers", "match.query_parameters": "if_query", "redirect": "redirect",
    "direct_response": "reply", "route.cluster": "to", "route.timeout": "timeout", "route.idle_timeout": "idle_timeout",
    "route.retry_policy": "retries", "route.prefix_rewrite": "rewrite", "request_headers_to_add": "request_headers",
    "request_headers_to_remove": "request_headers", "response_headers_to_add": "response_headers",
    "response_headers_to_remove": "response_headers",
}  # fmt: skip
HCM_PATH = "filter_chains[0].filters[0].typed_config"


def expand(tree: dict[str, Any], message: Any, report: Report) -> Places:
    """Writes the bootstrap that `tree` stands for into `message`; says where each of its parts came from."""
    places = Places()
    reader = Reader(report)
    reader.keys(tree, KEYS, "")
    clusters = target.Clusters(reader, places)
    clusters.named(tree.get("upstreams"), "upstreams")
    hosts = route.virtual_hosts(tree.get("routes"), clusters, reader)
    addresses = listen.addresses(tree.get("listen"), reader)
    bootstrap: dict[str, Any] = {
        "static_resources": {
            "listeners": [_listener(number, bound, tree, hosts, reader) for number, bound in enumerate(addresses)],
            "clusters": clusters.trees,
        }
    }
    for number in range(len(addresses)):
        base = f"{LISTENERS}[{number}]"
        places.add(base, f"listen[{number}]" if isinstance(tree.get("listen"), list) else "listen")
        _place(places, f"{base}.{HCM_PATH}", hosts)
    if tree.get("admin") not in (None, False):
        bootstrap["admin"] = {"address": listen.address(tree["admin"], reader, "admin", listen.LOOPBACK)}
        places.add("admin.address", "admin")
    if tree.get("node") is not None:
        bootstrap["node"] = {"id": reader.text(tree["node"], "node")}
    if not report.failed:
        parse_into(message, bootstrap, Report())
    return places


def _place(places: Places, base: str, hosts: route.Hosts) -> None:
    places.add(f"{base}.access_log", "log")
    places.add(f"{base}.http_filters", "filters")
    places.add(f"{base}.route_config", "routes")
    places.add(f"{base}.xff_num_trusted_hops", "trusted_hops")
    places.add(f"{base}.max_request_headers_kb", "max_request_headers")
    for number, sources in enumerate(hosts.sources):
        for position, source in enumerate(sources):
            at = f"{base}.route_config.virtual_hosts[{number}].routes[{position}]"
            places.add(at, source)
            for inner, key in ROUTE_PARTS.items():
                places.add(f"{at}.{inner}", f"{source}.{key}")


def _listener(number: int, bound: dict[str, Any], tree: dict[str, Any], hosts: route.Hosts, reader: Reader) -> dict[str, Any]:
    suffix = "" if number == 0 else f"_{number + 1}"
    hcm: dict[str, Any] = {
        "@type": HCM_TYPE,
        "stat_prefix": f"ingress{suffix}",
        "use_remote_address": True,
        "normalize_path": True,
        "http_filters": [*_filters(tree.get("filters"), reader), ROUTER],
        "route_config": {
            "name": "routes",
            "virtual_hosts": hosts.trees,
            "ignore_port_in_host_matching": hosts.ignore_port,
        },
    }
    if tree.get("trusted_hops") is not None:
        hcm["xff_num_trusted_hops"] = reader.count(tree["trusted_hops"], "trusted_hops")
    if tree.get("idle_timeout") is not None:
        hcm["common_http_protocol_options"] = {"idle_timeout": reader.duration(tree["idle_timeout"], "idle_timeout")}
    if tree.get("max_request_headers") is not None:
        hcm["max_request_headers_kb"] = reader.kib(tree["max_request_headers"], "max_request_headers")
    if log := _log(tree.get("log"), reader):
        hcm["access_log"] = [log]
    return {
        "name": f"main{suffix}",
        "address": bound,
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": hcm}]}],
    }


def _filters(items: Any, reader: Reader) -> list[dict[str, Any]]:
    """`filters: [{python: "package.module:Class", config: {...}, name: ...}]`."""
    found: list[dict[str, Any]] = []
    for item, path in reader.mappings(items, "filters"):
        reader.keys(item, ("python", "config", "name"), path)
        if not isinstance(item.get("python"), str):
            reader.refuse(f"{path}.python" if "python" in item else path, "a filter needs 'python: package.module:Class'")
            continue
        value = {"class": item["python"], "config": item.get("config") or {}}
        typed = {
            "@type": "type.googleapis.com/xds.type.v3.TypedStruct",
            "type_url": "mesh.filters.python",
            "value": value,
        }
        found.append({"name": item.get("name") or item["python"], "typed_config": typed})
    return found


def _log(value: Any, reader: Reader) -> dict[str, Any] | None:
    """`log: stdout | stderr | FILE | off`, or a mapping with `to` and `format` or `json`."""
    if value in (None, False):
        return None
    setting: dict[str, Any] = value if isinstance(value, dict) else {"to": value}
    reader.keys(setting, ("to", "format", "json"), "log")
    to = reader.text(setting.get("to", "stdout"), "log.to" if setting is value else "log")
    log_format: dict[str, Any] = {}
    if "json" in setting:
        log_format = {"json_format": reader.mapping(setting["json"], "log.json")}
    elif "format" in setting:
        line = reader.text(setting["format"], "log.format")
        log_format = {"text_format_source": {"inline_string": line if line.endswith("\n") else f"{line}\n"}}
    if "json" in setting and "format" in setting:
        reader.refuse("log.json", "'format' is set as well, and only one of the two may be")
    stream = {"stdout": "StdoutAccessLog", "stderr": "StderrAccessLog"}.get(to)
    typed: dict[str, Any] = {"@type": f"{TYPES}.access_loggers.stream.v3.{stream}"} if stream else {
        "@type": f"{TYPES}.access_loggers.file.v3.FileAccessLog", "path": to}  # fmt: skip
    if log_format:
        typed["log_format"] = log_format
    return {"name": f"envoy.access_loggers.{to if stream else 'file'}", "typed_config": typed}
