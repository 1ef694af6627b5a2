"""Listener filters: what looks at a connection before a filter chain has it.

tls_inspector, http_inspector, proxy_protocol and original_dst; all but the fields named here is refused. Called by listener.py."""

from __future__ import annotations

from typing import Any

from mesh.config.errors import join
from mesh.config.fields import Fields, anything, false
from mesh.config.lowering import Lowering
from meshcore.bind import spec

PACKAGE = "envoy.extensions.filters.listener"
FILTER = Fields("envoy.config.listener.v3.ListenerFilter", {"name", "typed_config"})
TLS = Fields(
    f"{PACKAGE}.tls_inspector.v3.TlsInspector",
    (),
    harmless={"enable_ja3_fingerprinting": false, "enable_ja4_fingerprinting": false, "initial_read_buffer_size": anything},
)
HTTP = Fields(f"{PACKAGE}.http_inspector.v3.HttpInspector", ())
PROXY = Fields(
    f"{PACKAGE}.proxy_protocol.v3.ProxyProtocol", {"allow_requests_without_proxy_protocol", "stat_prefix", "disallowed_versions"}
)
ORIGINAL_DST = Fields(f"{PACKAGE}.original_dst.v3.OriginalDst", ())
KINDS = {TLS.message: TLS, HTTP.message: HTTP, PROXY.message: PROXY, ORIGINAL_DST.message: ORIGINAL_DST}
NAMES = {TLS: "tls_inspector", HTTP: "http_inspector", PROXY: "proxy_protocol", ORIGINAL_DST: "original_dst"}


def lower(message: Any, low: Lowering, path: str) -> spec.ListenerFilter | None:
    FILTER.check(message, low.report, path)
    at = join(path, "typed_config")
    config, kind = low.unpack(message.typed_config, at, KINDS, "a listener filter")
    if config is None:
        return None
    kind.check(config, low.report, at)
    if kind is not PROXY:
        return spec.ListenerFilter(NAMES[kind])
    return spec.ListenerFilter(
        NAMES[kind],
        stat_prefix=config.stat_prefix,
        optional=config.allow_requests_without_proxy_protocol,
        disallowed_versions=tuple(version + 1 for version in config.disallowed_versions),
    )
