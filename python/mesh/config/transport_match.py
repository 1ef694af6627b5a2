"""envoy.config.cluster.v3.Cluster.TransportSocketMatch: hosts whose metadata says so are reached in another way than the cluster's others.

Called by cluster.py; the labels of hosts and localities are read by endpoint.py through `labels_of`."""

from __future__ import annotations

import json
from typing import Any

from mesh.config import proxy_out
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering
from mesh.config.render import to_tree
from meshcore.bind import spec

MATCH = Fields("envoy.config.cluster.v3.Cluster.TransportSocketMatch", {"name", "match", "transport_socket"})


def lower(message: Any, low: Lowering, path: str) -> tuple[spec.SocketMatch, ...]:
    """Cluster.transport_socket_matches."""
    found: list[spec.SocketMatch] = []
    for index, item in enumerate(message.transport_socket_matches):
        at = f"{join(path, 'transport_socket_matches')}[{index}]"
        MATCH.check(item, low.report, at)
        if any(item.name == other.name for other in found):
            low.refuse(join(at, "name"), f"'{item.name}' stands twice")
        found.append(spec.SocketMatch(item.name, labels_of(item.match), *proxy_out.lower_socket(item, low, at)))
    return tuple(found)


def labels_of(struct: Any) -> tuple[tuple[str, str], ...]:
    """(key, value as JSON) of a google.protobuf.Struct, by key."""
    return tuple((key, json.dumps(value, sort_keys=True, separators=(",", ":"))) for key, value in sorted(to_tree(struct).items()))
