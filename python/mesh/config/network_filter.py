"""The network filters of a chain: those that see a connection first, and the one that ends the chain.

The last one is an HTTP connection manager, a TCP or Thrift proxy, echo or direct_response; before it may stand connection_limit,
local_ratelimit, sni_cluster, RBAC and set_filter_state. Called by listener.py."""

from __future__ import annotations

from typing import Any

from mesh.config import filter_local_ratelimit, filter_parts, hcm, rbac, tcp_proxy, thrift_proxy
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, milliseconds_or
from meshcore.bind import spec

PACKAGE = "envoy.extensions.filters.network"
FILTER = Fields("envoy.config.listener.v3.Filter", {"name", "typed_config"})
ECHO = Fields(f"{PACKAGE}.echo.v3.Echo", ())
DIRECT = Fields(f"{PACKAGE}.direct_response.v3.Config", {"response"})
CONNECTION_LIMIT = Fields(f"{PACKAGE}.connection_limit.v3.ConnectionLimit", {"stat_prefix", "max_connections", "delay", "runtime_enabled"})
LOCAL_RATELIMIT = Fields(f"{PACKAGE}.local_ratelimit.v3.LocalRateLimit", {"stat_prefix", "token_bucket", "runtime_enabled", "share_key"})
SNI_CLUSTER = Fields(f"{PACKAGE}.sni_cluster.v3.SniCluster", ())
FILTERS_MAX = 33  # the last one, and a bit for each of the others
LAST = {
    hcm.HCM.message: hcm,
    tcp_proxy.TCP.message: tcp_proxy,
    thrift_proxy.THRIFT.message: thrift_proxy,
    ECHO.message: ECHO,
    DIRECT.message: DIRECT,
}
BEFORE = {one.message: one for one in (CONNECTION_LIMIT, LOCAL_RATELIMIT, SNI_CLUSTER, rbac.FILTER, rbac.STATE)}


def lower_all(items: Any, low: Lowering, path: str) -> dict[str, Any] | None:
    """The fields of a spec.FilterChain; None after a refusal."""
    if not items:
        low.refuse(path, "must have an HTTP connection manager, a TCP proxy, a Thrift proxy, an echo or a direct_response")
        return None
    if len(items) > FILTERS_MAX:
        low.refuse(path, f"{len(items)} network filters; a chain has at most {FILTERS_MAX}")
        return None
    before = [_before(item, low, f"{path}[{index}]") for index, item in enumerate(items[:-1])]
    last = _last(items[-1], low, f"{path}[{len(items) - 1}]")
    if last is None or None in before:
        return None
    return {**last, "filters": tuple(before)}


def _before(item: Any, low: Lowering, path: str) -> spec.NetworkFilter | None:
    FILTER.check(item, low.report, path)
    at = join(path, "typed_config")
    config, kind = low.unpack(item.typed_config, at, BEFORE, "a network filter before the last one")
    if config is None:
        return None
    kind.check(config, low.report, at)
    if kind is CONNECTION_LIMIT:
        enabled = filter_parts.lower_flag(config, "runtime_enabled", low, at)
        most, delay_ms = config.max_connections.value, milliseconds_or(config, "delay", 0)
        return spec.NetworkFilter("connection_limit", config.stat_prefix, most, delay_ms, enabled=enabled)
    if kind is LOCAL_RATELIMIT:
        bucket = filter_local_ratelimit.lower_bucket(config.token_bucket, low, join(at, "token_bucket"))
        enabled = filter_parts.lower_flag(config, "runtime_enabled", low, at)
        return spec.NetworkFilter("local_ratelimit", config.stat_prefix, token_bucket=bucket, share_key=config.share_key, enabled=enabled)
    if kind is rbac.FILTER:
        return rbac.lower(config, low, at)
    if kind is rbac.STATE:
        return rbac.lower_state(config, low, at)
    return spec.NetworkFilter("sni_cluster")


def _last(item: Any, low: Lowering, path: str) -> dict[str, Any] | None:
    FILTER.check(item, low.report, path)
    at = join(path, "typed_config")
    config, kind = low.unpack(item.typed_config, at, LAST, "the last network filter of a chain")
    if config is None:
        return None
    if kind is tcp_proxy:
        return {"tcp": tcp_proxy.lower(config, low, at)}
    if kind is thrift_proxy:
        return {"thrift": thrift_proxy.lower(config, low, at)}
    if kind is hcm:
        return {"hcm": hcm.lower(config, low, at)}
    kind.check(config, low.report, at)
    if kind is ECHO:
        return {"echo": True}
    return {"text": low.bytes_of(config.response, join(at, "response"))}
