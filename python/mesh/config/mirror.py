"""envoy.config.route.v3.RouteAction.RequestMirrorPolicy: where copies of requests go, and how they are changed.

The policies of a route stand in place of its virtual host's, and those in place of the table's. `trace_sampled` says nothing as long as
nothing is traced. Called by route_action.py, virtual_host.py and route_table.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config import request_head, runtime
from mesh.config.errors import join, nearest
from mesh.config.fields import Fields, anything
from mesh.config.lowering import Lowering, each
from meshcore.bind import spec

POLICY = Fields(
    "envoy.config.route.v3.RouteAction.RequestMirrorPolicy",
    {
        "cluster", "cluster_header", "runtime_fraction", "disable_shadow_host_suffix_append", "request_headers_mutations",
        "host_rewrite_literal",
    },
    harmless={"trace_sampled": anything},
)  # fmt: skip


def lower(message: Any, low: Lowering, path: str, validate_clusters: bool) -> tuple[spec.MirrorPolicy, ...]:
    """Of any message that has `request_mirror_policies`."""
    at = join(path, "request_mirror_policies")
    return each(message.request_mirror_policies, at, lambda item, here: _policy(item, low, here, validate_clusters))


def _policy(item: Any, low: Lowering, path: str, validate_clusters: bool) -> spec.MirrorPolicy:
    POLICY.check(item, low.report, path)
    if bool(item.cluster) == bool(item.cluster_header):
        low.refuse(join(path, "cluster"), "one of 'cluster' and 'cluster_header' is required, and only one may be set")
    elif item.cluster and validate_clusters and item.cluster not in low.cluster_names:
        low.refuse(join(path, "cluster"), f"no cluster is called '{item.cluster}'{nearest(item.cluster, low.cluster_names)}")
    at = join(path, "request_headers_mutations")
    return spec.MirrorPolicy(
        cluster=item.cluster,
        cluster_header=item.cluster_header.lower(),
        fraction=runtime.lower_fraction(item.runtime_fraction, low, join(path, "runtime_fraction"))
        if item.HasField("runtime_fraction")
        else None,
        keep_host=item.disable_shadow_host_suffix_append,
        host_rewrite_literal=item.host_rewrite_literal,
        mutations=each(item.request_headers_mutations, at, lambda one, here: request_head.lower_mutation(one, low, here)),
    )
