"""envoy.config.cluster.v3.Cluster.OriginalDstLbConfig: how requests name the hosts of a cluster of type ORIGINAL_DST.

Such a cluster has no hosts of its own. Called by cluster.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, milliseconds_or, wrapped_or
from meshcore.bind import spec

CONFIG = Fields(
    "envoy.config.cluster.v3.Cluster.OriginalDstLbConfig",
    {"use_http_header", "http_header_name", "upstream_port_override", "metadata_key"},
)
HEADER = "x-envoy-original-dst-host"
CLEANUP_MS = 5000
PORT_MAX = 65535


def lower(message: Any, low: Lowering, path: str) -> spec.OriginalDst:
    config = message.original_dst_lb_config
    at = join(path, "original_dst_lb_config")
    CONFIG.check(config, low.report, at)
    port = wrapped_or(config, "upstream_port_override", 0)
    if port > PORT_MAX:
        low.refuse(join(at, "upstream_port_override"), f"{port}; at most {PORT_MAX} is accepted")
    header = (config.http_header_name.lower() or HEADER) if config.use_http_header else ""
    if config.http_header_name and not config.use_http_header:
        low.refuse(join(at, "http_header_name"), "needs 'use_http_header: true'")
    return spec.OriginalDst(
        header=header,
        namespace=config.metadata_key.key,
        path=tuple(part.key for part in config.metadata_key.path),
        port=port,
        cleanup_ms=milliseconds_or(message, "cleanup_interval", CLEANUP_MS),
    )
