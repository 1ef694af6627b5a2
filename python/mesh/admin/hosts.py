"""What the admin pages tell of the hosts of a cluster: the engine's counters of each beside what the configuration says of it.

The engine knows neither locality nor canary, so they are read from the cluster's message: a static host is found by its address, a host
that DNS found by its port and host name. Called by /clusters and /config_dump, on the pages' threads; reads, never writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mesh.config.listener import name_of

UNIX_PORT = -1


@dataclass(slots=True, frozen=True)
class HostFacts:
    """`stats`: {name: value} as in /clusters. `locality`: envoy.config.core.v3.Locality, or None. `metadata`: of the endpoint, or None."""

    endpoint: Any
    stats: dict[str, int]
    locality: Any
    metadata: Any

    @property
    def name(self) -> str:
        return name_of(self.endpoint.address)

    @property
    def canary(self) -> bool:
        if self.metadata is None:
            return False
        return bool(self.metadata.filter_metadata["envoy.lb"].fields["canary"].bool_value)


def hosts(cluster: Any, message: Any) -> list[HostFacts]:
    """The hosts of a published cluster (mesh.publish.LiveCluster), by address; `message`: its configuration, or None."""
    counted = {(text, hostname): stats for text, hostname, _healthy, stats in cluster.table.host_stats()}
    configured = dict(reversed(list(places(cluster.spec.kind, message)))) if message is not None else {}
    found = []
    for endpoint in cluster.endpoints:
        address = endpoint.address
        here = (address.host if cluster.spec.kind == "static" else endpoint.hostname, address.port)
        locality, metadata = configured.get(here, (None, None))
        found.append(HostFacts(endpoint, counted.get((name_of(address), endpoint.hostname), {}), locality, metadata))
    return sorted(found, key=lambda host: host.name)


def places(kind: str, message: Any) -> Iterator[tuple[tuple[str, int], tuple[Any, Any]]]:
    """((host, port), (locality, metadata)) of each configured endpoint."""
    for group in message.load_assignment.endpoints:
        locality = group.locality if group.HasField("locality") else None
        for item in group.lb_endpoints:
            metadata = item.metadata if item.HasField("metadata") else None
            at = item.endpoint.address
            if at.WhichOneof("address") == "pipe":
                yield (at.pipe.path, UNIX_PORT), (locality, metadata)
                continue
            named = at.socket_address.address
            host = named if kind == "static" else item.endpoint.hostname or named
            yield (host, at.socket_address.port_value), (locality, metadata)


def fill_address(address: Any, target: Any) -> None:
    """Writes a spec.Address into an envoy.config.core.v3.Address."""
    if address.port == UNIX_PORT:
        target.pipe.path = address.host
    else:
        target.socket_address.address = address.host
        target.socket_address.port_value = address.port
