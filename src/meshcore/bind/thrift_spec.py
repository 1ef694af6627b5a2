"""What a Thrift route configuration lowers to: plain values without Envoy's messages, which bind/thrift_routes.pyx compiles.

Names are those of envoy.extensions.filters.network.thrift_proxy.v3. Immutable; nothing here checks what the configuration layer must.
"""

from __future__ import annotations

from meshcore.bind.record import record
from meshcore.bind.spec import AccessLog, HeaderMatch, WeightedCluster


@record
class ThriftRoute:
    """RouteMatch and RouteAction: exactly one of `method_name` and `service_name` is set (empty: every call), and exactly one of
    `cluster`, `weighted` and `cluster_header`. `metadata_match` as in Forward; that of a weighted cluster is laid over it."""

    method_name: str | None = None
    service_name: str | None = None
    invert: bool = False
    headers: tuple[HeaderMatch, ...] = ()
    cluster: str = ""
    weighted: tuple[WeightedCluster, ...] = ()
    cluster_header: str = ""
    strip_service_name: bool = False
    metadata_match: str = ""


@record
class ThriftRoutes:
    """RouteConfiguration."""

    name: str
    routes: tuple[ThriftRoute, ...] = ()


@record
class ThriftProxy:
    """ThriftProxy. `transport`: auto | framed | unframed | header; `protocol`: auto | binary | binary/non-strict | compact | twitter."""

    stat_prefix: str
    routes: ThriftRoutes
    transport: str = "auto"
    protocol: str = "auto"
    payload_passthrough: bool = False
    max_requests_per_connection: int = 0
    close_on_upstream_error: bool = True
    access_logs: tuple[AccessLog, ...] = ()
