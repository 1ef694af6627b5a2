"""envoy.extensions.filters.network.thrift_proxy.v3.ThriftProxy: calls to clusters.

Defaults are Envoy's: transport and protocol as the first message says, no limit of calls, the router as the only filter
(thrift_filter.py has the others).
What stands under `typed_extension_protocol_options` of a cluster is lowered here too. Called by listener.py and cluster.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config import access_log, thrift_filter, thrift_route
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, milliseconds_or, wrapped_or
from meshcore.bind.thrift_spec import ThriftFilter, ThriftProxy, ThriftRetry

PACKAGE = "envoy.extensions.filters.network.thrift_proxy.v3"
THRIFT = Fields(
    f"{PACKAGE}.ThriftProxy",
    {
        "stat_prefix", "transport", "protocol", "route_config", "thrift_filters", "payload_passthrough",
        "max_requests_per_connection", "access_log", "header_keys_preserve_case",
    },
    instead={"trds": "put the routes into 'route_config'"},
)  # fmt: skip
FILTER = Fields(f"{PACKAGE}.ThriftFilter", {"name", "typed_config"})
ROUTER = Fields(
    "envoy.extensions.filters.network.thrift_proxy.router.v3.Router",
    {"close_downstream_on_upstream_error"},
)
OPTIONS = Fields(f"{PACKAGE}.ThriftProtocolOptions", {"transport", "protocol"})
TCP_OPTIONS = Fields("envoy.extensions.upstreams.tcp.v3.TcpProtocolOptions", {"idle_timeout"})
OPTIONS_KEY = "envoy.filters.network.thrift_proxy"
TCP_OPTIONS_KEY = TCP_OPTIONS.message
FILTERS: dict[str, Any] = {
    ROUTER.message: None,
    thrift_filter.HEADER_FILTER.message: thrift_filter.lower_headers,
    thrift_filter.PAYLOAD_FILTER.message: thrift_filter.lower_payload,
    thrift_filter.LIMIT.message: thrift_filter.lower_limit,
    **dict.fromkeys(thrift_filter.STRUCTS, thrift_filter.lower_retry),
}
TRANSPORTS = ("auto", "framed", "unframed", "header")  # TransportType
PROTOCOLS = ("auto", "binary", "binary/non-strict", "compact", "twitter")  # ProtocolType
TEN_MINUTES_MS = 600_000


def lower(message: Any, low: Lowering, path: str) -> ThriftProxy:
    THRIFT.check(message, low.report, path)
    router, filters = _filters(message.thrift_filters, low, join(path, "thrift_filters"))
    if not message.HasField("route_config") and not message.HasField("trds"):
        low.refuse(join(path, "route_config"), "required, and not set")
    return ThriftProxy(
        stat_prefix=message.stat_prefix,
        transport=TRANSPORTS[message.transport],
        protocol=PROTOCOLS[message.protocol],
        routes=thrift_route.lower(message.route_config, low, join(path, "route_config")),
        close_on_upstream_error=router is None or wrapped_or(router, "close_downstream_on_upstream_error", True),
        payload_passthrough=message.payload_passthrough,
        max_requests_per_connection=wrapped_or(message, "max_requests_per_connection", 0),
        access_logs=access_log.lower_all(message.access_log, low, join(path, "access_log")),
        header_keys_preserve_case=message.header_keys_preserve_case,
        filters=tuple(one for one in filters if isinstance(one, ThriftFilter)),
        retry=next((one for one in filters if isinstance(one, ThriftRetry)), None),
    )


def _filters(filters: Any, low: Lowering, path: str) -> tuple[Any, list[Any]]:
    """The router's settings (None when it is not named: it is there all the same), and what stands before it."""
    router, found = None, []
    for index, item in enumerate(filters):
        at = f"{path}[{index}]"
        FILTER.check(item, low.report, at)
        config, lower = low.unpack(item.typed_config, join(at, "typed_config"), FILTERS, "a Thrift filter")
        if config is None:
            continue
        last = index == len(filters) - 1
        if lower is not None:
            found.append(lower(config, low, join(at, "typed_config")))
            if last:
                low.refuse(at, "the last filter is the router")
            continue
        ROUTER.check(config, low.report, join(at, "typed_config"))
        if not last:
            low.refuse(at, "the router is the last filter")
        router = config
    if sum(isinstance(one, ThriftRetry) for one in found) > 1:
        low.refuse(path, "there may be one mesh.extensions.ThriftRetry")
    return router, found


def lower_options(options: Any, low: Lowering, path: str) -> dict[str, Any]:
    """What a cluster's protocol options say of connections that carry Thrift."""
    found: dict[str, Any] = {}
    message = _open(options, OPTIONS_KEY, OPTIONS, low, path)
    if message is not None:
        found["thrift_transport"] = TRANSPORTS[message.transport]
        found["thrift_protocol"] = PROTOCOLS[message.protocol]
    message = _open(options, TCP_OPTIONS_KEY, TCP_OPTIONS, low, path)
    if message is not None:
        found["tcp_idle_timeout_ms"] = milliseconds_or(message, "idle_timeout", TEN_MINUTES_MS)
    return found


def _open(options: Any, key: str, table: Fields, low: Lowering, path: str) -> Any:
    if key not in options:
        return None
    at = f'{path}["{key}"]'
    message, _ = low.unpack(options[key], at, {table.message: True}, "protocol options")
    if message is not None:
        table.check(message, low.report, at)
    return message
