"""envoy.config.endpoint.v3.ClusterLoadAssignment: the hosts of a cluster, or the names that resolve to them.

A STATIC cluster has hosts, a DNS cluster has names; both come from the same message, in the order of the file, which
the balancers keep. Locality weights and health-check settings do nothing without what would use them and are
accepted; priorities are refused. Called by cluster.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mesh.config import address
from mesh.config.errors import join
from mesh.config.fields import Fields, anything, unset
from mesh.config.lowering import Lowering, wrapped_or
from meshcore.bind import spec

ASSIGNMENT = Fields("envoy.config.endpoint.v3.ClusterLoadAssignment", {"cluster_name", "endpoints"}, harmless={"policy": unset})
LOCALITY = Fields(
    "envoy.config.endpoint.v3.LocalityLbEndpoints",
    {"lb_endpoints", "priority"},
    described={"locality", "metadata"},
    harmless={"load_balancing_weight": anything, "proximity": anything},
)
LB_ENDPOINT = Fields(
    "envoy.config.endpoint.v3.LbEndpoint",
    {"endpoint", "health_status", "load_balancing_weight"},
    described={"metadata"},
)
ENDPOINT = Fields(
    "envoy.config.endpoint.v3.Endpoint",
    {"address", "hostname"},
    harmless={"health_check_config": anything},
)
HEALTHY = {0, 1}
DEGRADED = 5
STATIC_ADVICE = "; a cluster of type STATIC needs one, STRICT_DNS and LOGICAL_DNS resolve names"


def lower_static(message: Any, low: Lowering, path: str) -> tuple[spec.Endpoint, ...]:
    """The hosts of a STATIC cluster."""
    return tuple(
        spec.Endpoint(
            address=address.lower(item.endpoint.address, low, join(at, "endpoint.address"), advice=STATIC_ADVICE),
            weight=wrapped_or(item, "load_balancing_weight", 1),
            hostname=item.endpoint.hostname,
            healthy=item.health_status in HEALTHY,
            priority=priority,
        )
        for item, priority, at in _hosts(message, low, path)
    )


def lower_dns(message: Any, low: Lowering, path: str) -> tuple[spec.DnsTarget, ...]:
    """The names of a STRICT_DNS or LOGICAL_DNS cluster."""
    found = []
    for item, priority, at in _hosts(message, low, path):
        name, port = address.lower_target(item.endpoint.address, low, join(at, "endpoint.address"))
        if item.health_status not in HEALTHY:
            low.refuse(join(at, "health_status"), "is not implemented yet in mesh for a name; remove it")
        weight = wrapped_or(item, "load_balancing_weight", 1)
        found.append(spec.DnsTarget(name, port, weight, priority, item.endpoint.hostname))
    return tuple(found)


def _hosts(message: Any, low: Lowering, path: str) -> Iterator[tuple[Any, int, str]]:
    """(LbEndpoint, priority, path) of every host, localities in order."""
    ASSIGNMENT.check(message, low.report, path)
    for number, locality in enumerate(message.endpoints):
        at = f"{path}.endpoints[{number}]"
        LOCALITY.check(locality, low.report, at)
        if locality.priority:
            low.refuse(join(at, "priority"), "'priority' is not implemented yet in mesh; put all hosts into priority 0")
        for index, item in enumerate(locality.lb_endpoints):
            here = f"{at}.lb_endpoints[{index}]"
            LB_ENDPOINT.check(item, low.report, here)
            ENDPOINT.check(item.endpoint, low.report, join(here, "endpoint"))
            if item.health_status == DEGRADED:
                low.refuse(join(here, "health_status"), "'DEGRADED' is not implemented yet in mesh; remove it")
            if item.WhichOneof("host_identifier") == "endpoint" and item.endpoint.HasField("address"):
                yield item, locality.priority, here
            elif item.WhichOneof("host_identifier") != "endpoint_name":
                low.refuse(join(here, "endpoint.address"), "required, and not set")
