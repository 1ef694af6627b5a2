"""envoy.config.endpoint.v3.ClusterLoadAssignment: the hosts of a cluster, or the names that resolve to them.

A STATIC cluster has hosts, a DNS cluster has names; both come from the same message, in the order of the file, which the balancers keep,
with where they are, how much they take, how they are, how they are checked and what is known of them. Called by cluster.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from mesh.config import address, health_check, transport_match
from mesh.config.errors import join
from mesh.config.fields import Fields, anything
from mesh.config.lowering import Lowering, each, wrapped_or
from mesh.config.render import to_tree
from mesh.config.runtime import WHOLES
from meshcore.bind import spec

ASSIGNMENT = Fields("envoy.config.endpoint.v3.ClusterLoadAssignment", {"cluster_name", "endpoints", "policy"})
POLICY = Fields(
    "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy",
    {"overprovisioning_factor", "weighted_priority_health", "drop_overloads"},
    harmless={"endpoint_stale_after": anything},
)
DROP = Fields("envoy.config.endpoint.v3.ClusterLoadAssignment.Policy.DropOverload", {"drop_percentage"}, described={"category"})
LOCALITY = Fields(
    "envoy.config.endpoint.v3.LocalityLbEndpoints",
    {"lb_endpoints", "priority", "locality", "load_balancing_weight", "metadata"},
    harmless={"proximity": anything},
)
LB_ENDPOINT = Fields(
    "envoy.config.endpoint.v3.LbEndpoint",
    {"endpoint", "health_status", "load_balancing_weight", "metadata"},
)
ENDPOINT = Fields(
    "envoy.config.endpoint.v3.Endpoint",
    {"address", "hostname", "health_check_config", "additional_addresses"},
)
ADDITIONAL = Fields("envoy.config.endpoint.v3.Endpoint.AdditionalAddress", {"address"})
HEALTH = {0: "healthy", 1: "said_healthy", 2: "unhealthy", 3: "draining", 4: "timeout", 5: "degraded"}
LB_METADATA = "envoy.lb"
SOCKET_METADATA = "envoy.transport_socket_match"
WEIGHT_MAX = 2**32 - 1
STATIC_ADVICE = "; a cluster of type STATIC needs one, STRICT_DNS and LOGICAL_DNS resolve names"


def lower_static(message: Any, low: Lowering, path: str, local: bool = False) -> tuple[spec.Endpoint, ...]:
    """The hosts of a STATIC cluster."""
    return tuple(
        spec.Endpoint(
            address=address.lower(item.endpoint.address, low, join(at, "endpoint.address"), advice=STATIC_ADVICE),
            hostname=item.endpoint.hostname,
            additional=_additional(item.endpoint, low, join(at, "endpoint")),
            **_traits(item, group, low, at),
        )
        for item, group, at in _hosts(message, low, path, local)
    )


def lower_dns(message: Any, low: Lowering, path: str, local: bool = False) -> tuple[spec.DnsTarget, ...]:
    """The names of a STRICT_DNS or LOGICAL_DNS cluster."""
    found = []
    for item, group, at in _hosts(message, low, path, local):
        name, port = address.lower_target(item.endpoint.address, low, join(at, "endpoint.address"))
        if item.endpoint.additional_addresses:
            text = "are for clusters of type STATIC and EDS; a name has the addresses that DNS says"
            low.refuse(join(at, "endpoint.additional_addresses"), text)
        found.append(spec.DnsTarget(name, port, endpoint_hostname=item.endpoint.hostname, **_traits(item, group, low, at)))
    return tuple(found)


def _additional(message: Any, low: Lowering, path: str) -> tuple[spec.Address, ...]:
    """Where the host is dialled as well."""
    if message.additional_addresses and message.address.WhichOneof("address") == "pipe":
        low.refuse(join(path, "additional_addresses"), "a host with a path has no other addresses")

    def one(item: Any, at: str) -> spec.Address:
        ADDITIONAL.check(item, low.report, at)
        if item.address.WhichOneof("address") == "pipe":
            low.refuse(join(at, "address.pipe"), "an IP address is accepted")
        return address.lower(item.address, low, join(at, "address"))

    return each(message.additional_addresses, join(path, "additional_addresses"), one)


def lower_policy(message: Any, low: Lowering, path: str) -> dict[str, Any]:
    """The fields of spec.Cluster that the policy of an assignment decides."""
    POLICY.check(message.policy, low.report, join(path, "policy"))
    return {
        "overprovisioning_factor": wrapped_or(message.policy, "overprovisioning_factor", 140),
        "weighted_priority_health": message.policy.weighted_priority_health,
        "drop_share": _dropped(message.policy.drop_overloads, low, join(path, "policy.drop_overloads")),
    }


def _dropped(items: Any, low: Lowering, path: str) -> float:
    """The share of the requests that drop_overloads refuses."""
    if len(items) > 1:
        low.refuse(path, f"one category is accepted, not {len(items)}")
    for item in items:
        DROP.check(item, low.report, f"{path}[0]")
        share: float = item.drop_percentage.numerator / WHOLES[item.drop_percentage.denominator]
        if share > 1:
            low.refuse(f"{path}[0].drop_percentage", f"at most 100 %, not {share * 100:g} %")
        return share
    return 0.0


def lower_locality(message: Any) -> spec.Locality:
    """envoy.config.core.v3.Locality."""
    return spec.Locality(message.region, message.zone, message.sub_zone)


def _traits(item: Any, group: Any, low: Lowering, path: str) -> dict[str, Any]:
    """What a host is, apart from its address."""
    found: dict[str, Any] = {
        "weight": wrapped_or(item, "load_balancing_weight", 1),
        "priority": group.priority,
        "health": HEALTH.get(item.health_status, "healthy"),
    }
    if group.HasField("locality"):
        found["locality"] = lower_locality(group.locality)
        found["locality_weight"] = wrapped_or(group, "load_balancing_weight", 0)
    if item.endpoint.HasField("health_check_config"):
        check = item.endpoint.health_check_config
        found["check"] = health_check.lower_endpoint(check, low, join(path, "endpoint.health_check_config"))
    found["locality_socket_labels"] = _socket_labels(group)
    if item.HasField("metadata"):
        found["socket_labels"] = _socket_labels(item)
        tree = {name: to_tree(fields) for name, fields in sorted(item.metadata.filter_metadata.items())}
        facts = tree.get(LB_METADATA, {})
        found["metadata"] = json.dumps(tree, sort_keys=True, separators=(",", ":"))
        found["canary"] = facts.get("canary") is True
        found["hash_key"] = facts["hash_key"] if isinstance(facts.get("hash_key"), str) else ""
    return found


def _socket_labels(owner: Any) -> spec.Labels:
    held = owner.metadata.filter_metadata
    return transport_match.labels_of(held[SOCKET_METADATA]) if SOCKET_METADATA in held else ()


def _hosts(message: Any, low: Lowering, path: str, local: bool) -> Iterator[tuple[Any, Any, str]]:
    """(LbEndpoint, LocalityLbEndpoints, path) of every host, localities in order. `local`: of the proxies' own cluster."""
    ASSIGNMENT.check(message, low.report, path)
    for number, group in enumerate(message.endpoints):
        at = f"{path}.endpoints[{number}]"
        LOCALITY.check(group, low.report, at)
        if group.priority and local:
            low.refuse(join(at, "priority"), "the cluster of the proxies themselves (local_cluster_name) has one priority, 0")
        if sum(wrapped_or(item, "load_balancing_weight", 1) for item in group.lb_endpoints) > WEIGHT_MAX:
            low.refuse(join(at, "lb_endpoints"), f"the weights of all hosts of a locality add up to at most {WEIGHT_MAX}")
        for index, item in enumerate(group.lb_endpoints):
            here = f"{at}.lb_endpoints[{index}]"
            LB_ENDPOINT.check(item, low.report, here)
            ENDPOINT.check(item.endpoint, low.report, join(here, "endpoint"))
            if item.WhichOneof("host_identifier") == "endpoint" and item.endpoint.HasField("address"):
                yield item, group, here
            elif item.WhichOneof("host_identifier") != "endpoint_name":
                low.refuse(join(here, "endpoint.address"), "required, and not set")
