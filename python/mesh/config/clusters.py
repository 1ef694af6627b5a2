"""Many clusters: what they have in common is checked and lowered once.

Ten thousand clusters are mostly one cluster with other names and hosts. A cluster whose hosts are nothing but an IP and a port is *plain*:
two plain clusters that agree in everything but name, `alt_stat_name` and hosts lower to the same spec but for these. The first one of a
kind goes the whole way (`cluster.lower`), the others are copies of its spec; whatever is not plain goes the whole way too. Called by
bootstrap.py and mesh.xds, on the thread that loads."""

from __future__ import annotations

import socket
from typing import Any

from mesh.config import cluster, config_source, rules
from mesh.config.errors import join
from mesh.config.lowering import Lowering
from meshcore.bind import spec
from meshcore.bind.record import replace

NESTING = 8  # bytes of the four lengths around a socket address: LbEndpoint, Endpoint, Address, SocketAddress
ONE_BYTE, TWO_BYTES = 1 << 7, 1 << 14
PORT_MAX = 65535


def lower_all(items: Any, low: Lowering, path: str) -> tuple[spec.Cluster, ...]:
    """The specs of a list of clusters, whose names must differ."""
    seen: dict[str, int] = {}
    found = []
    for index, item in enumerate(items):
        at = f"{path}[{index}]"
        if item.name in seen:
            low.refuse(join(at, "name"), f"{path}[{seen[item.name]}] is called '{item.name}' as well")
        seen.setdefault(item.name, index)
        found.append(lower_one(item, low, at))
    return tuple(found)


def lower_one(item: Any, low: Lowering, path: str) -> spec.Cluster:
    """The spec of one cluster."""
    hosts = plain_hosts(item.load_assignment)
    if hosts is None or not item.name or item.name == low.local_cluster:
        return _whole(item, low, path)
    kind = _kind(item)
    template = low.templates.get(kind)
    if template is None:
        found = _whole(item, low, path)
        if not low.report.failed and found.kind in ("static", "eds"):
            low.templates[kind] = found
        return found
    named: dict[str, Any] = {"name": item.name, "alt_stat_name": item.alt_stat_name, "endpoints": hosts}
    if template.kind == "eds":
        rules.check(item.eds_cluster_config, low.report, join(path, "eds_cluster_config"))
        named["eds"] = config_source.lower_eds(item, low, path)
        named["eds_name"] = item.eds_cluster_config.service_name or item.name
    return replace(template, **named)


def _whole(item: Any, low: Lowering, path: str) -> spec.Cluster:
    rules.check(item, low.report, path)
    return cluster.lower(item, low, path)


def _kind(item: Any) -> bytes:
    """The cluster without what tells it from others of its kind."""
    bare = type(item)()
    bare.CopyFrom(item)
    bare.name = bare.alt_stat_name = ""
    if bare.HasField("load_assignment"):
        assignment = bare.load_assignment
        del assignment.endpoints[:]
        # The rules want a name there.
        assignment.cluster_name = "*" if assignment.cluster_name else ""
    if bare.HasField("eds_cluster_config"):
        bare.eds_cluster_config.Clear()
    kind: bytes = bare.SerializeToString(deterministic=True)
    return kind


def plain_hosts(assignment: Any) -> tuple[spec.Endpoint, ...] | None:
    """The hosts of a ClusterLoadAssignment in which nothing is said of them but IP and port, else None.

    That nothing else is said is seen by the size: every host takes the bytes of its address, so a sum that fits leaves no room."""
    found = []
    for group in assignment.endpoints:
        size = 0
        for item in group.lb_endpoints:
            at = item.endpoint.address.socket_address
            host, port = at.address, at.port_value
            if not 0 < port <= PORT_MAX or not is_literal(host):
                return None
            size += NESTING + len(host) + (4 if port < ONE_BYTE else 5 if port < TWO_BYTES else 6)
            found.append(spec.Endpoint(spec.Address(host, port)))
        if group.ByteSize() != size:
            return None
    return tuple(found)


def is_literal(host: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    except (OSError, ValueError):
        return False
    return True
