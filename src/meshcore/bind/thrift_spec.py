"""What a Thrift route configuration lowers to: plain values without Envoy's messages, which bind/thrift_routes.pyx compiles.

Names are those of envoy.extensions.filters.network.thrift_proxy.v3. Immutable; nothing here checks what the configuration layer must.
"""

from __future__ import annotations

from meshcore.bind.filter_spec import RateLimitService
from meshcore.bind.record import record
from meshcore.bind.spec import AccessLog, HeaderMatch, RateLimit, RuntimeFraction, WeightedCluster


@record
class ThriftMirror:
    """RequestMirrorPolicy. `fraction` None: every call."""

    cluster: str
    fraction: RuntimeFraction | None = None


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
    mirrors: tuple[ThriftMirror, ...] = ()
    rate_limits: tuple[RateLimit, ...] = ()


@record
class ThriftRoutes:
    """RouteConfiguration."""

    name: str
    routes: tuple[ThriftRoute, ...] = ()


@record
class ThriftFact:
    """KeyValuePair: what a filter writes into dynamic metadata. `value` stands for what was found; `regex`: (pattern, substitution)."""

    namespace: str
    key: str
    value: str = ""
    regex: tuple[str, str] | None = None
    number: bool = False
    base64: bool = False
    protobuf: bool = False


@record
class ThriftHeaderRule:
    """HeaderToMetadata.Rule."""

    header: str
    present: ThriftFact | None = None
    missing: ThriftFact | None = None
    remove: bool = False


@record
class ThriftPayloadRule:
    """PayloadToMetadata.Rule, for calls of a method, or of a service if `service`; an empty name is every call. `path`: ids of fields from
    the arguments on; each path has one rule."""

    name: str
    service: bool
    path: tuple[int, ...]
    present: ThriftFact | None = None
    missing: ThriftFact | None = None


@record
class ThriftRateLimit:
    """envoy.extensions.filters.network.thrift_proxy.filters.ratelimit.v3.RateLimit. `deny`: failure_mode_deny."""

    service: RateLimitService
    stage: int = 0
    deny: bool = False


@record
class ThriftFilter:
    """HeaderToMetadata or PayloadToMetadata, rules of one kind; or a rate limit."""

    headers: tuple[ThriftHeaderRule, ...] = ()
    payload: tuple[ThriftPayloadRule, ...] = ()
    limit: ThriftRateLimit | None = None


@record
class ThriftRetry:
    """Which methods ("get", or "People:" for all of a service) may be tried again, and how often after the first try."""

    methods: tuple[str, ...]
    num_retries: int = 1


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
    header_keys_preserve_case: bool = False
    filters: tuple[ThriftFilter, ...] = ()
    retry: ThriftRetry | None = None
