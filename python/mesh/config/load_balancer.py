"""How a cluster chooses hosts: `lb_policy` with its `*_lb_config`, or `load_balancing_policy` with a typed extension.

Both spellings lower to one spec.LoadBalancer. Of `load_balancing_policy` the first policy that is known is taken, as Envoy does. Two
policies are our own; they stand in a TypedStruct under `mesh.load_balancing_policies`. Called by cluster.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mesh.config import hash_policy, load_balancer_subset, schema
from mesh.config.errors import join, nearest
from mesh.config.fields import Fields, anything
from mesh.config.lowering import Lowering, each, milliseconds_or, wrapped_or
from mesh.config.render import to_tree
from meshcore.bind import spec
from meshcore.bind.record import replace

PACKAGE = "envoy.extensions.load_balancing_policies"
CLUSTER = "envoy.config.cluster.v3.Cluster"
ROUND_ROBIN = Fields(f"{PACKAGE}.round_robin.v3.RoundRobin", {"slow_start_config", "locality_lb_config"})
LEAST_REQUEST = Fields(
    f"{PACKAGE}.least_request.v3.LeastRequest",
    {"choice_count", "active_request_bias", "slow_start_config", "locality_lb_config", "enable_full_scan", "selection_method"},
)
RANDOM = Fields(f"{PACKAGE}.random.v3.Random", {"locality_lb_config"})
RING_HASH = Fields(
    f"{PACKAGE}.ring_hash.v3.RingHash",
    {
        "hash_function", "minimum_ring_size", "maximum_ring_size", "use_hostname_for_hashing", "hash_balance_factor",
        "consistent_hashing_lb_config", "locality_weighted_lb_config",
    },
)  # fmt: skip
MAGLEV = Fields(f"{PACKAGE}.maglev.v3.Maglev", {"table_size", "consistent_hashing_lb_config", "locality_weighted_lb_config"})
WRR_LOCALITY = Fields(f"{PACKAGE}.wrr_locality.v3.WrrLocality", {"endpoint_picking_policy"})
OVERRIDE = Fields(f"{PACKAGE}.override_host.v3.OverrideHost", {"override_host_sources", "fallback_policy"})
SOURCE = Fields(f"{PACKAGE}.override_host.v3.OverrideHost.OverrideHostSource", {"header", "metadata"})
PROVIDED = f"{PACKAGE}.cluster_provided.v3.ClusterProvided"
SUBSET = f"{PACKAGE}.subset.v3.Subset"
STRUCTS = ("xds.type.v3.TypedStruct", "udpa.type.v1.TypedStruct")
LOCALITY = Fields(f"{PACKAGE}.common.v3.LocalityLbConfig", {"zone_aware_lb_config", "locality_weighted_lb_config"})
ZONE_AWARE = Fields(
    f"{PACKAGE}.common.v3.LocalityLbConfig.ZoneAwareLbConfig",
    {
        "routing_enabled", "min_cluster_size", "fail_traffic_on_panic", "force_local_zone", "locality_basis",
        "force_locality_direct_routing",
    },
)  # fmt: skip
HASHING = Fields(f"{PACKAGE}.common.v3.ConsistentHashingLbConfig", {"use_hostname_for_hashing", "hash_balance_factor", "hash_policy"})
SLOW_START = Fields(f"{PACKAGE}.common.v3.SlowStartConfig", {"slow_start_window", "aggression", "min_weight_percent"})
COMMON = Fields(
    f"{CLUSTER}.CommonLbConfig",
    {
        "healthy_panic_threshold", "zone_aware_lb_config", "locality_weighted_lb_config", "consistent_hashing_lb_config",
        "ignore_new_hosts_until_first_hc", "close_connections_on_host_set_change", "override_host_status",
    },
    harmless={"update_merge_window": anything},
)  # fmt: skip
OLD_ROUND_ROBIN = Fields(f"{CLUSTER}.RoundRobinLbConfig", {"slow_start_config"})
OLD_LEAST_REQUEST = Fields(f"{CLUSTER}.LeastRequestLbConfig", {"choice_count", "active_request_bias", "slow_start_config"})
OLD_RING_HASH = Fields(f"{CLUSTER}.RingHashLbConfig", {"minimum_ring_size", "hash_function", "maximum_ring_size"})
OLD_MAGLEV = Fields(f"{CLUSTER}.MaglevLbConfig", {"table_size"})
OWN_POLICIES = {
    "mesh.load_balancing_policies.peak_ewma": ("peak_ewma", ("decay_ms", "default_latency_ms")),
    "mesh.load_balancing_policies.least_latency": (
        "least_latency",
        ("decay_ms", "default_latency_ms", "queue_size", "choice_count"),
    ),
}
OVERRIDABLE = ("unknown", "healthy", "unhealthy", "draining", "timeout", "degraded")  # HealthStatus
LB_POLICIES = ("round_robin", "least_request", "ring_hash", "random", "", "maglev")
CLUSTER_PROVIDED = 6
PROVIDING = {"original_dst": "a cluster of type ORIGINAL_DST", "aggregate": "an aggregate cluster"}
LOAD_BALANCING_POLICY_CONFIG = 7
RING_MAX = 8 * 1024 * 1024
TABLE_MAX = 5_000_011
BOUND_MIN = 100
DEPTH_MAX = 8


# --- lb_policy ------------------------------------------------------------------------------------------------------


def lower(message: Any, low: Lowering, path: str, kind: str) -> spec.LoadBalancer:
    """The balancer of a Cluster of this kind (spec.Cluster.kind)."""
    found = _policy(message, low, path, kind)
    balancing = message.common_lb_config
    if not balancing.HasField("override_host_status"):
        return found
    named = dict.fromkeys(OVERRIDABLE[status] for status in balancing.override_host_status.statuses)
    return replace(found, override_host_status=tuple(named))


def _policy(message: Any, low: Lowering, path: str, kind: str) -> spec.LoadBalancer:
    balancing = message.common_lb_config
    COMMON.check(balancing, low.report, join(path, "common_lb_config"))
    if balancing.consistent_hashing_lb_config.use_hostname_for_hashing and kind != "strict_dns":
        at = join(path, "common_lb_config.consistent_hashing_lb_config.use_hostname_for_hashing")
        low.refuse(at, "is accepted for clusters of type STRICT_DNS only")
    if kind in PROVIDING:
        return _provided(message, low, path, PROVIDING[kind])
    if message.HasField("load_balancing_policy"):
        return lower_policies(message.load_balancing_policy, low, join(path, "load_balancing_policy.policies"), 0)
    found = _old_policy(message, low, path)
    if balancing.HasField("locality_weighted_lb_config"):
        found = replace(found, locality_weighted=True)
    elif balancing.HasField("zone_aware_lb_config"):
        found = replace(found, zone_aware=_zone_aware(balancing.zone_aware_lb_config))
    if message.HasField("lb_subset_config"):
        found = replace(found, subsets=load_balancer_subset.lower(message.lb_subset_config, low, join(path, "lb_subset_config")))
    return found


def _provided(message: Any, low: Lowering, path: str, kind: str) -> spec.LoadBalancer:
    """Of a cluster that chooses its hosts itself."""
    policies = message.load_balancing_policy.policies
    named = [schema.type_name(item.typed_extension_config.typed_config) for item in policies]
    if message.lb_policy != CLUSTER_PROVIDED and PROVIDED not in named:
        low.refuse(join(path, "lb_policy"), f"{kind} has CLUSTER_PROVIDED")
    if message.HasField("lb_subset_config"):
        low.refuse(join(path, "lb_subset_config"), f"{kind} has no subsets")
    return spec.LoadBalancer()


def panic_threshold(message: Any) -> float:
    """healthy_panic_threshold of a Cluster, percent."""
    balancing = message.common_lb_config
    return float(balancing.healthy_panic_threshold.value) if balancing.HasField("healthy_panic_threshold") else 50.0


def _old_policy(message: Any, low: Lowering, path: str) -> spec.LoadBalancer:
    policy = LB_POLICIES[message.lb_policy] if message.lb_policy < len(LB_POLICIES) else ""
    if not policy:
        name = type(message).LbPolicy.Name(message.lb_policy)
        text = f"'{name}' is not implemented yet in mesh; ROUND_ROBIN, LEAST_REQUEST, RING_HASH, RANDOM and MAGLEV are"
        if message.lb_policy == CLUSTER_PROVIDED:
            text = f"'{name}' is for clusters of type ORIGINAL_DST and for aggregate clusters"
        if message.lb_policy == LOAD_BALANCING_POLICY_CONFIG:
            text = f"'{name}' needs 'load_balancing_policy', which is not set"
        low.refuse(join(path, "lb_policy"), text)
        return spec.LoadBalancer()
    found = spec.LoadBalancer(policy)
    if policy == "round_robin":
        OLD_ROUND_ROBIN.check(message.round_robin_lb_config, low.report, join(path, "round_robin_lb_config"))
        return replace(found, slow_start=_slow_start(message.round_robin_lb_config, low, join(path, "round_robin_lb_config")))
    if policy == "least_request":
        OLD_LEAST_REQUEST.check(message.least_request_lb_config, low.report, join(path, "least_request_lb_config"))
        return _least_request(message.least_request_lb_config, low, join(path, "least_request_lb_config"))
    hashing = message.common_lb_config.consistent_hashing_lb_config
    at = join(path, "common_lb_config.consistent_hashing_lb_config")
    if policy == "ring_hash":
        OLD_RING_HASH.check(message.ring_hash_lb_config, low.report, join(path, "ring_hash_lb_config"))
        murmur = message.ring_hash_lb_config.hash_function == 1
        return _hashing(_ring(message.ring_hash_lb_config, low, join(path, "ring_hash_lb_config"), murmur), hashing, low, at)
    if policy == "maglev":
        OLD_MAGLEV.check(message.maglev_lb_config, low.report, join(path, "maglev_lb_config"))
        return _hashing(_maglev(message.maglev_lb_config, low, join(path, "maglev_lb_config")), hashing, low, at)
    return found


# --- load_balancing_policy ------------------------------------------------------------------------------------------


def lower_policies(message: Any, low: Lowering, path: str, depth: int) -> spec.LoadBalancer:
    """The first known policy of a LoadBalancingPolicy."""
    for index, item in enumerate(message.policies if depth < DEPTH_MAX else ()):
        packed = item.typed_extension_config.typed_config
        at = f"{path}[{index}].typed_extension_config.typed_config"
        kind = schema.type_name(packed)
        if kind in STRUCTS:
            struct = low.open(packed, at)
            own = OWN_POLICIES.get(struct.type_url.rpartition("/")[2]) if struct is not None else None
            if own is not None:
                return _own(struct, own, low, at)
        elif kind == SUBSET:
            config = low.open(packed, at)
            if config is None:
                break
            inner = lower_policies(config.subset_lb_policy, low, join(at, "subset_lb_policy.policies"), depth + 1)
            return replace(inner, subsets=load_balancer_subset.lower(config, low, at))
        elif kind in POLICIES:
            fields, lower_one = POLICIES[kind]
            config = low.open(packed, at)
            if config is None:
                break
            fields.check(config, low.report, at)
            return lower_one(config, low, at, depth)
    names = ", ".join(sorted([*map(schema.short_name, POLICIES), "Subset", *OWN_POLICIES]))
    low.refuse(path, f"none of these policies is implemented yet in mesh; {names} are")
    return spec.LoadBalancer()


def _round_robin(config: Any, low: Lowering, path: str, depth: int) -> spec.LoadBalancer:
    return _placed(spec.LoadBalancer("round_robin", slow_start=_slow_start(config, low, path)), config, low, path)


def _new_least_request(config: Any, low: Lowering, path: str, depth: int) -> spec.LoadBalancer:
    if config.HasField("enable_full_scan"):
        low.refuse(join(path, "enable_full_scan"), "was replaced by 'selection_method'; write FULL_SCAN there")
    found = replace(_least_request(config, low, path), full_scan=config.selection_method == 1)
    return _placed(found, config, low, path)


def _random(config: Any, low: Lowering, path: str, depth: int) -> spec.LoadBalancer:
    return _placed(spec.LoadBalancer("random"), config, low, path)


def _new_ring(config: Any, low: Lowering, path: str, depth: int) -> spec.LoadBalancer:
    found = _ring(config, low, path, config.hash_function == 2)
    found = replace(
        found,
        use_hostname_for_hashing=config.use_hostname_for_hashing,
        hash_balance_factor=wrapped_or(config, "hash_balance_factor", 0),
        locality_weighted=config.HasField("locality_weighted_lb_config"),
    )
    if not config.HasField("consistent_hashing_lb_config"):
        return found
    return _hashing(found, config.consistent_hashing_lb_config, low, join(path, "consistent_hashing_lb_config"))


def _new_maglev(config: Any, low: Lowering, path: str, depth: int) -> spec.LoadBalancer:
    found = replace(_maglev(config, low, path), locality_weighted=config.HasField("locality_weighted_lb_config"))
    return _hashing(found, config.consistent_hashing_lb_config, low, join(path, "consistent_hashing_lb_config"))


def _wrr_locality(config: Any, low: Lowering, path: str, depth: int) -> spec.LoadBalancer:
    """A place by its weight, then a host of that place by the inner policy."""
    inner = lower_policies(config.endpoint_picking_policy, low, join(path, "endpoint_picking_policy.policies"), depth + 1)
    return replace(inner, locality_weighted=True)


def _override_host(config: Any, low: Lowering, path: str, depth: int) -> spec.LoadBalancer:
    """Hosts that the request names, then what the fallback policy says."""
    inner = lower_policies(config.fallback_policy, low, join(path, "fallback_policy.policies"), depth + 1)
    sources = each(config.override_host_sources, join(path, "override_host_sources"), lambda item, at: _source(item, low, at))
    if not sources:
        low.refuse(join(path, "override_host_sources"), "must have at least 1 item")
    return replace(inner, override_hosts=sources)


def _source(item: Any, low: Lowering, path: str) -> spec.OverrideSource:
    SOURCE.check(item, low.report, path)
    if bool(item.header) == item.HasField("metadata"):
        low.refuse(path, "exactly one of 'header' and 'metadata' is required")
    return spec.OverrideSource(item.header.lower(), item.metadata.key, tuple(part.key for part in item.metadata.path))


POLICIES: dict[str, tuple[Fields, Callable[[Any, Lowering, str, int], spec.LoadBalancer]]] = {
    ROUND_ROBIN.message: (ROUND_ROBIN, _round_robin),
    LEAST_REQUEST.message: (LEAST_REQUEST, _new_least_request),
    RANDOM.message: (RANDOM, _random),
    RING_HASH.message: (RING_HASH, _new_ring),
    MAGLEV.message: (MAGLEV, _new_maglev),
    WRR_LOCALITY.message: (WRR_LOCALITY, _wrr_locality),
    OVERRIDE.message: (OVERRIDE, _override_host),
}


def _own(struct: Any, own: tuple[str, tuple[str, ...]], low: Lowering, path: str) -> spec.LoadBalancer:
    policy, keys = own
    value = to_tree(struct.value)
    found: dict[str, int] = {}
    for key, number in value.items():
        at = join(path, f"value.{key}")
        if key not in keys:
            low.refuse(at, f"no such field of {policy}{nearest(key, keys)}")
        elif not isinstance(number, int | float) or isinstance(number, bool) or number != int(number) or not 0 < number < 2**31:
            low.refuse(at, f"{number!r}; a whole number from 1 is accepted")
        else:
            found[key] = int(number)
    return spec.LoadBalancer(policy, **found)  # type: ignore[arg-type]


# --- parts ----------------------------------------------------------------------------------------------------------


def _placed(found: spec.LoadBalancer, config: Any, low: Lowering, path: str) -> spec.LoadBalancer:
    """With what `locality_lb_config` says."""
    if not config.HasField("locality_lb_config"):
        return found
    at = join(path, "locality_lb_config")
    LOCALITY.check(config.locality_lb_config, low.report, at)
    if config.locality_lb_config.HasField("locality_weighted_lb_config"):
        return replace(found, locality_weighted=True)
    zone = config.locality_lb_config.zone_aware_lb_config
    ZONE_AWARE.check(zone, low.report, join(at, "zone_aware_lb_config"))
    return replace(found, zone_aware=_zone_aware(zone))


def _zone_aware(config: Any) -> spec.ZoneAware:
    forced = 0
    if "force_local_zone" in config.DESCRIPTOR.fields_by_name and config.HasField("force_local_zone"):
        forced = max(1, wrapped_or(config.force_local_zone, "min_size", 1))
    elif getattr(config, "force_locality_direct_routing", False):
        forced = 1
    return spec.ZoneAware(
        routing_enabled=round(config.routing_enabled.value) if config.HasField("routing_enabled") else 100,
        min_cluster_size=wrapped_or(config, "min_cluster_size", 6),
        fail_traffic_on_panic=config.fail_traffic_on_panic,
        force_local_zone=forced,
        by_weight=getattr(config, "locality_basis", 0) == 1,
    )


def _slow_start(config: Any, low: Lowering, path: str) -> spec.SlowStart:
    if not config.HasField("slow_start_config"):
        return spec.SlowStart()
    slow = config.slow_start_config
    aggression = slow.aggression.default_value if slow.HasField("aggression") else 1.0
    if aggression <= 0:
        low.refuse(join(path, "slow_start_config.aggression.default_value"), f"{aggression}; it must be greater than 0")
    return spec.SlowStart(
        window_ms=milliseconds_or(slow, "slow_start_window", 0),
        aggression=aggression,
        aggression_key=slow.aggression.runtime_key,
        min_weight_percent=slow.min_weight_percent.value if slow.HasField("min_weight_percent") else 10.0,
    )


def _least_request(config: Any, low: Lowering, path: str) -> spec.LoadBalancer:
    bias = config.active_request_bias.default_value if config.HasField("active_request_bias") else 1.0
    if bias < 0:
        low.refuse(join(path, "active_request_bias.default_value"), f"{bias}; it must not be negative")
    return spec.LoadBalancer(
        "least_request",
        choice_count=wrapped_or(config, "choice_count", 2),
        active_request_bias=bias,
        active_request_bias_key=config.active_request_bias.runtime_key,
        slow_start=_slow_start(config, low, path),
    )


def _ring(config: Any, low: Lowering, path: str, murmur: bool) -> spec.LoadBalancer:
    least, most = wrapped_or(config, "minimum_ring_size", 1024), wrapped_or(config, "maximum_ring_size", RING_MAX)
    if least > most:
        low.refuse(join(path, "minimum_ring_size"), f"{least} is more than the maximum_ring_size of {most}")
    return spec.LoadBalancer("ring_hash", minimum_ring_size=least, maximum_ring_size=most, murmur_hash=murmur)


def _maglev(config: Any, low: Lowering, path: str) -> spec.LoadBalancer:
    size = wrapped_or(config, "table_size", 65537)
    if size > TABLE_MAX or not _is_prime(size):
        low.refuse(join(path, "table_size"), f"{size}; a prime number up to {TABLE_MAX} is accepted")
    return spec.LoadBalancer("maglev", table_size=size)


def _is_prime(n: int) -> bool:
    return n > 1 and all(n % divisor for divisor in range(2, int(n**0.5) + 1))


def _hashing(found: spec.LoadBalancer, config: Any, low: Lowering, path: str) -> spec.LoadBalancer:
    rules: tuple[spec.HashRule, ...] = ()
    if "hash_policy" in config.DESCRIPTOR.fields_by_name:
        HASHING.check(config, low.report, path)
        rules = hash_policy.lower_all(config.hash_policy, low, join(path, "hash_policy"))
    return replace(
        found,
        use_hostname_for_hashing=config.use_hostname_for_hashing,
        hash_balance_factor=wrapped_or(config, "hash_balance_factor", 0),
        hash_policy=rules,
    )
