"""The part of the plan (spec.py) that says how hosts are chosen: the balancer of a cluster, its subsets, and hash policies.

Plain values with Envoy's defaults; nothing is validated here. Lowered by `mesh.config.load_balancer` and `mesh.config.hash_policy`,
compiled by `meshcore.bind.load_balancer`.
"""

from __future__ import annotations

from meshcore.bind.record import record


@record
class HashRule:
    """RouteAction.HashPolicy: `kind` is header | cookie | source_ip | query_parameter | filter_state. `ttl_s`: a cookie is made when there
    is none, for so many seconds (0: for the session); None: none is made."""

    kind: str
    name: str = ""
    regex_rewrite: tuple[str, str] | None = None
    ttl_s: int | None = None
    path: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    terminal: bool = False


@record
class ZoneAware:
    """ZoneAwareLbConfig. `routing_enabled` in whole percent; `force_local_zone` 0 = off; `by_weight`: HEALTHY_HOSTS_WEIGHT."""

    routing_enabled: int = 100
    min_cluster_size: int = 6
    fail_traffic_on_panic: bool = False
    force_local_zone: int = 0
    by_weight: bool = False


@record
class SlowStart:
    """SlowStartConfig; `window_ms` 0 = off."""

    window_ms: int = 0
    aggression: float = 1.0
    aggression_key: str = ""  # runtime key that may say another one
    min_weight_percent: float = 10.0


@record
class SubsetSelector:
    """LbSubsetSelector: `keys` sorted. `fallback`: not_defined | no_fallback | any_endpoint | default_subset | keys_subset."""

    keys: tuple[str, ...]
    fallback: str = "not_defined"
    fallback_keys: tuple[str, ...] = ()
    single_host_per_subset: bool = False


@record
class Subsets:
    """LbSubsetConfig. `fallback`: no_fallback | any_endpoint | default_subset; `default_subset` as a JSON object."""

    selectors: tuple[SubsetSelector, ...] = ()
    fallback: str = "no_fallback"
    default_subset: str = "{}"
    locality_weight_aware: bool = False
    scale_locality_weight: bool = False
    panic_mode_any: bool = False
    list_as_any: bool = False
    allow_redundant_keys: bool = False
    fallback_list: bool = False


@record
class OverrideSource:
    """OverrideHostSource: where a request names its hosts, in a header (in lower case) or under a key of its dynamic metadata."""

    header: str = ""
    namespace: str = ""
    path: tuple[str, ...] = ()


@record
class OriginalDst:
    """OriginalDstLbConfig of a cluster of kind original_dst. `header` "": none names the host; `port` 0: the one that was asked for."""

    header: str = ""
    namespace: str = ""
    path: tuple[str, ...] = ()
    port: int = 0
    cleanup_ms: int = 5000


@record
class LoadBalancer:
    """`policy`: round_robin | least_request | random | ring_hash | maglev | peak_ewma | least_latency. `override_hosts`: asked first."""

    policy: str = "round_robin"
    locality_weighted: bool = False
    zone_aware: ZoneAware = ZoneAware()
    slow_start: SlowStart = SlowStart()
    choice_count: int = 2
    active_request_bias: float = 1.0
    active_request_bias_key: str = ""  # runtime key that may say another one
    full_scan: bool = False
    minimum_ring_size: int = 1024
    maximum_ring_size: int = 8 * 1024 * 1024
    murmur_hash: bool = False
    table_size: int = 65537
    use_hostname_for_hashing: bool = False
    hash_balance_factor: int = 0
    hash_policy: tuple[HashRule, ...] = ()
    decay_ms: int = 10_000
    default_latency_ms: int = 30
    queue_size: int = 100
    subsets: Subsets | None = None
    override_hosts: tuple[OverrideSource, ...] = ()
    override_host_status: tuple[str, ...] = ("unknown", "healthy", "degraded")  # whom requests may name: also unhealthy, draining, timeout
