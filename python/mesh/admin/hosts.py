"""What the admin pages tell of the hosts of a cluster: the engine's counters and health of each, beside what the configuration says of it.

Called by /clusters and /config_dump, on the pages' threads; reads, never writes."""

from __future__ import annotations

from typing import Any

from mesh.config.listener import name_of
from meshcore.bind.record import record

UNIX_PORT = -1
UNHEALTHY = {"failed_active_hc", "failed_outlier_check", "failed_eds_health", "eds_status_draining"}
DEGRADED = {"degraded_active_hc", "degraded_eds_health", "degraded_outlier_detection"}


@record
class HostFacts:
    """`endpoint`: meshcore.bind.spec.Endpoint. `flags`: "healthy", or why it is not. `stats`: {name: value} as in /clusters."""

    endpoint: Any
    flags: str
    stats: dict[str, int]

    @property
    def name(self) -> str:
        return name_of(self.endpoint.address)

    @property
    def health(self) -> str:
        """healthy | degraded | unhealthy, as a balancer sees it."""
        found = set(self.flags.split("/")[1:])
        if found & UNHEALTHY:
            return "unhealthy"
        return "degraded" if found & DEGRADED else "healthy"


def hosts(cluster: Any) -> list[HostFacts]:
    """The hosts of a published cluster (mesh.publish.LiveCluster), by priority, then in configured order."""
    found = [HostFacts(*facts) for facts in cluster.table.hosts.host_stats()]
    return sorted(found, key=lambda host: int(host.endpoint.priority))


def fill_locality(place: Any, target: Any) -> None:
    """Writes a spec.Locality into an envoy.config.core.v3.Locality."""
    target.SetInParent()
    target.region, target.zone, target.sub_zone = place.region, place.zone, place.sub_zone


def fill_address(address: Any, target: Any) -> None:
    """Writes a spec.Address into an envoy.config.core.v3.Address."""
    if address.port == UNIX_PORT:
        target.pipe.path = address.host
    else:
        target.socket_address.address = address.host
        target.socket_address.port_value = address.port
