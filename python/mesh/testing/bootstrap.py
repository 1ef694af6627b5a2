"""Envoy bootstraps for tests, as dicts: one listener on a free port, clusters on loopback, and what a test lays over them.

Only shapes; nothing is started here. `hcm`, `route`, `virtual_host` and `cluster` fields are laid over the defaults as
they are (a message written in the test replaces the default field of the same name).
"""

from __future__ import annotations

from typing import Any

TYPE = "type.googleapis.com/envoy."
HCM = TYPE + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = TYPE + "extensions.filters.http.router.v3.Router"
FILE_LOG = TYPE + "extensions.access_loggers.file.v3.FileAccessLog"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
LOG_FORMAT = "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %UPSTREAM_REQUEST_ATTEMPT_COUNT% %REQ(:PATH)%\n"


def address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def cluster(name: str, *ports: int, http: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A STATIC cluster of loopback endpoints. `http`: fields of HttpProtocolOptions.common_http_protocol_options."""
    made: dict[str, Any] = {
        "name": name,
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(port)}} for port in ports]}],
        },
    }
    if http is not None:
        options = {"common_http_protocol_options": http, "explicit_http_config": {"http_protocol_options": {}}}
        made["typed_extension_protocol_options"] = {HTTP_OPTIONS: {"@type": TYPE + HTTP_OPTIONS[6:], **options}}
    made.update(fields)
    return made


def listener(
    *,
    name: str = "main",
    port: int = 0,
    routes: list[dict[str, Any]] | None = None,
    route: dict[str, Any] | None = None,
    virtual_host: dict[str, Any] | None = None,
    hcm: dict[str, Any] | None = None,
    log: str | None = None,
    log_format: str = LOG_FORMAT,
    **fields: Any,
) -> dict[str, Any]:
    """A listener with one connection manager. `routes` replaces the one route, `/` to cluster `up` with `route` laid over it."""
    rows = routes or [{"match": {"prefix": "/"}, "route": {"cluster": "up", **(route or {})}}]
    host = {"name": "all", "domains": ["*"], "routes": rows, **(virtual_host or {})}
    message: dict[str, Any] = {
        "@type": HCM,
        "stat_prefix": "test",
        "route_config": {"virtual_hosts": [host]},
        "http_filters": [{"name": "router", "typed_config": {"@type": ROUTER}}],
    }
    if log is not None:
        text = {"text_format_source": {"inline_string": log_format}}
        message["access_log"] = [{"name": "file", "typed_config": {"@type": FILE_LOG, "path": log, "log_format": text}}]
    message.update(hcm or {})
    chain = {"filters": [{"name": "hcm", "typed_config": message}]}
    return {"name": name, "address": address(port), "filter_chains": [chain], **fields}


def bootstrap(*up: int, clusters: list[dict[str, Any]] | None = None, admin: bool = False, **fields: Any) -> dict[str, Any]:
    """A whole bootstrap: cluster `up` on the ports `up` (or `clusters`), one `listener(**fields)`."""
    made: dict[str, Any] = {"static_resources": {"listeners": [listener(**fields)], "clusters": clusters or [cluster("up", *up)]}}
    if admin:
        made["admin"] = {"address": address(0)}
    return made
