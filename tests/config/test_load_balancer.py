"""How hosts are chosen: both spellings of every policy lower to the same value, and what cannot be is refused by its path."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.config import ConfigError
from meshcore.bind import spec
from tests.config.plans import cluster, everything, route

TYPES = "type.googleapis.com/envoy.extensions.load_balancing_policies"
LEAST_REQUEST = "least_request.v3.LeastRequest"
RING_HASH = "ring_hash.v3.RingHash"
MAGLEV = "maglev.v3.Maglev"
WRR = "wrr_locality.v3.WrrLocality"


def policy(name: str, **fields: Any) -> dict[str, Any]:
    return {"typed_extension_config": {"name": "p", "typed_config": {"@type": f"{TYPES}.{name}", **fields}}}


def own(name: str, **value: Any) -> dict[str, Any]:
    config = {"@type": "type.googleapis.com/xds.type.v3.TypedStruct", "type_url": f"mesh.load_balancing_policies.{name}", "value": value}
    return {"typed_extension_config": {"name": "p", "typed_config": config}}


def extension(*policies: dict[str, Any]) -> spec.LoadBalancer:
    return cluster(cluster={"load_balancing_policy": {"policies": list(policies)}}).lb


def old(**fields: Any) -> spec.LoadBalancer:
    return cluster(cluster=fields).lb


@pytest.mark.parametrize(
    ("name", "fields", "lb_policy", "old_fields"),
    [
        ("round_robin.v3.RoundRobin", {}, "ROUND_ROBIN", {}),
        ("random.v3.Random", {}, "RANDOM", {}),
        (LEAST_REQUEST, {"choice_count": 5}, "LEAST_REQUEST", {"least_request_lb_config": {"choice_count": 5}}),
        (RING_HASH, {"minimum_ring_size": 7}, "RING_HASH", {"ring_hash_lb_config": {"minimum_ring_size": 7}}),
        (
            RING_HASH,
            {"hash_function": "MURMUR_HASH_2"},
            "RING_HASH",
            {"ring_hash_lb_config": {"hash_function": "MURMUR_HASH_2"}},
        ),
        (MAGLEV, {"table_size": 13}, "MAGLEV", {"maglev_lb_config": {"table_size": 13}}),
        (
            MAGLEV,
            {"consistent_hashing_lb_config": {"hash_balance_factor": 120}},
            "MAGLEV",
            {"common_lb_config": {"consistent_hashing_lb_config": {"hash_balance_factor": 120}}},
        ),
        (
            "round_robin.v3.RoundRobin",
            {"slow_start_config": {"slow_start_window": "5s"}},
            "ROUND_ROBIN",
            {"round_robin_lb_config": {"slow_start_config": {"slow_start_window": "5s"}}},
        ),
        (
            "random.v3.Random",
            {"locality_lb_config": {"zone_aware_lb_config": {"min_cluster_size": 2, "fail_traffic_on_panic": True}}},
            "RANDOM",
            {"common_lb_config": {"zone_aware_lb_config": {"min_cluster_size": 2, "fail_traffic_on_panic": True}}},
        ),
        (
            "round_robin.v3.RoundRobin",
            {"locality_lb_config": {"locality_weighted_lb_config": {}}},
            "ROUND_ROBIN",
            {"common_lb_config": {"locality_weighted_lb_config": {}}},
        ),
    ],
)
def test_both_spellings_are_one_value(name: str, fields: Any, lb_policy: str, old_fields: Any) -> None:
    found = extension(policy(name, **fields))
    assert found == old(lb_policy=lb_policy, **old_fields)
    assert found.policy == lb_policy.lower()


def test_the_first_policy_that_is_known_is_taken() -> None:
    unknown = policy("client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin")
    assert extension(unknown, policy("random.v3.Random")).policy == "random"
    with pytest.raises(ConfigError, match="none of these policies is implemented yet in mesh; LeastRequest, Maglev, "):
        extension(unknown)


def test_a_place_by_weight_and_a_host_by_the_inner_policy() -> None:
    inner = {"endpoint_picking_policy": {"policies": [policy(LEAST_REQUEST, choice_count=4)]}}
    found = extension(policy(WRR, **inner))
    assert (found.policy, found.choice_count, found.locality_weighted) == ("least_request", 4, True)


def test_our_own_policies_are_typed_structs() -> None:
    found = extension(own("peak_ewma", decay_ms=3000), policy("random.v3.Random"))
    assert (found.policy, found.decay_ms, found.default_latency_ms) == ("peak_ewma", 3000, 30)
    with pytest.raises(ConfigError, match=r"typed_config.value.decay: no such field of peak_ewma; did you mean 'decay_ms'"):
        extension(own("peak_ewma", decay=1))
    with pytest.raises(ConfigError, match=r"typed_config.value.queue_size: 0; a whole number from 1 is accepted"):
        extension(own("least_latency", queue_size=0))


def test_a_subset_extension_holds_its_inner_policy_and_all_its_settings() -> None:
    found = next(one for one in everything().clusters if one.name == "parts").lb
    assert (found.policy, found.full_scan, found.active_request_bias) == ("least_request", True, 0.5)
    assert found.zone_aware == spec.ZoneAware(50, 3, True, 2, True)
    assert found.slow_start == spec.SlowStart(60_000, 2.0, "k", 20.0)
    assert found.subsets == spec.Subsets(
        selectors=(
            spec.SubsetSelector(("stage", "version"), "keys_subset", ("stage",), single_host_per_subset=True),
            spec.SubsetSelector(("stage",)),
        ),
        fallback="default_subset",
        default_subset='{"stage":"beta"}',
        locality_weight_aware=True,
        scale_locality_weight=True,
        panic_mode_any=True,
        list_as_any=True,
        allow_redundant_keys=True,
        fallback_list=True,
    )


def test_hash_rules_keep_their_order_and_their_settings() -> None:
    found = next(one for one in everything().clusters if one.name == "ring").lb
    assert found.hash_policy == (
        spec.HashRule("header", "x-key", ("^(a).*", r"\1"), terminal=True),
        spec.HashRule("cookie", "c", ttl_s=5, path="/p", attributes=(("SameSite", "Lax"), ("Secure", ""))),
        spec.HashRule("source_ip"),
        spec.HashRule("query_parameter", "q"),
        spec.HashRule("filter_state", "f"),
    )


def test_a_rule_about_no_property_is_nothing() -> None:
    action = route(route={"route": {"cluster": "web", "hash_policy": [{"connection_properties": {}}]}}).action
    assert isinstance(action, spec.Forward)
    assert action.hash_policy == ()


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"lb_policy": "CLUSTER_PROVIDED"}, "lb_policy: 'CLUSTER_PROVIDED' is for clusters of type ORIGINAL_DST"),
        ({"lb_policy": "LOAD_BALANCING_POLICY_CONFIG"}, "needs 'load_balancing_policy', which is not set"),
        ({"lb_policy": "MAGLEV", "maglev_lb_config": {"table_size": 12}}, "maglev_lb_config.table_size: 12; a prime number"),
        (
            {"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": 9, "maximum_ring_size": 8}},
            "ring_hash_lb_config.minimum_ring_size: 9 is more than the maximum_ring_size of 8",
        ),
        (
            {"lb_subset_config": {"subset_selectors": [{"keys": ["a"], "fallback_policy": "KEYS_SUBSET"}]}},
            r"subset_selectors\[0\].fallback_keys_subset: required",
        ),
        (
            {"lb_subset_config": {"subset_selectors": [{"keys": ["a"], "fallback_keys_subset": ["a"]}]}},
            r"subset_selectors\[0\].fallback_keys_subset: is used only with",
        ),
        (
            {"common_lb_config": {"consistent_hashing_lb_config": {"use_hostname_for_hashing": True}}},
            "use_hostname_for_hashing: is accepted for clusters of type STRICT_DNS only",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_its_path(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        old(**fields)
