"""How a cluster asks DNS: the DNS fields of Cluster, and the DnsCluster extension that replaces them.

The resolver is the system's (getaddrinfo), so a list of servers, TCP for lookups, and the TTL of an answer cannot be
had from it and are refused. Without dns_failure_refresh_rate a failure is asked about again as soon as a success
would be. Called by cluster.py; what comes out is what `mesh.dns` follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mesh.config.errors import join
from mesh.config.fields import Fields, unset
from mesh.config.lowering import Lowering, milliseconds_or

CLUSTER_FIELDS = frozenset({"dns_refresh_rate", "dns_jitter", "dns_failure_refresh_rate", "dns_lookup_family", "typed_dns_resolver_config"})
DNS_CLUSTER = Fields(
    "envoy.extensions.clusters.dns.v3.DnsCluster",
    {
        "dns_refresh_rate", "dns_failure_refresh_rate", "dns_jitter", "dns_lookup_family",
        "all_addresses_in_single_endpoint",
        "typed_dns_resolver_config",
    },
)  # fmt: skip
RESOLVER_TYPES = {
    "envoy.extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig": True,
    "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig": True,
}
FAMILIES = ("auto", "v4_only", "v6_only", "v4_preferred", "all")
EXTENSION_FAMILIES = ("auto", "auto", "v4_only", "v6_only", "v4_preferred", "all")
REFRESH_MS = 5000
FAILURE_MAX_TIMES_BASE = 10
TYPES = {DNS_CLUSTER.message: True}


@dataclass(slots=True, frozen=True)
class Options:
    """The DNS part of a spec.Cluster, under the same names."""

    dns_refresh_ms: int = REFRESH_MS
    dns_failure_base_ms: int = REFRESH_MS
    dns_failure_max_ms: int = REFRESH_MS
    dns_jitter_ms: int = 0
    dns_lookup_family: str = "auto"


def lower_fields(message: Any, low: Lowering, path: str) -> Options:
    """The fields of Cluster itself."""
    return _options(message, FAMILIES, low, path)


def lower_cluster_type(message: Any, low: Lowering, path: str) -> tuple[str, Options]:
    """(kind, options) of a CustomClusterType that holds a DnsCluster."""
    at = join(path, "typed_config")
    config, _ = low.unpack(message.typed_config, at, TYPES, "a cluster type")
    if config is None:
        return "strict_dns", Options()
    DNS_CLUSTER.check(config, low.report, at)
    kind = "logical_dns" if config.all_addresses_in_single_endpoint else "strict_dns"
    return kind, _options(config, EXTENSION_FAMILIES, low, at)


def _options(message: Any, families: tuple[str, ...], low: Lowering, path: str) -> Options:
    refresh = milliseconds_or(message, "dns_refresh_rate", REFRESH_MS)
    base = longest = refresh
    if message.HasField("dns_failure_refresh_rate"):
        failure = message.dns_failure_refresh_rate
        base = milliseconds_or(failure, "base_interval", refresh)
        longest = milliseconds_or(failure, "max_interval", base * FAILURE_MAX_TIMES_BASE)
    if longest < base:
        text = f"{longest} ms is shorter than base_interval ({base} ms)"
        low.refuse(join(path, "dns_failure_refresh_rate.max_interval"), text)
    _check_resolver(message, low, path)
    family = message.dns_lookup_family
    return Options(
        dns_refresh_ms=refresh,
        dns_failure_base_ms=base,
        dns_failure_max_ms=longest,
        dns_jitter_ms=milliseconds_or(message, "dns_jitter", 0),
        dns_lookup_family=families[family] if family < len(families) else "auto",
    )


def _check_resolver(message: Any, low: Lowering, path: str) -> None:
    if not message.HasField("typed_dns_resolver_config"):
        return
    at = join(path, "typed_dns_resolver_config.typed_config")
    config, _ = low.unpack(message.typed_dns_resolver_config.typed_config, at, RESOLVER_TYPES, "a DNS resolver")
    if config is not None and not unset(config):
        name = config.ListFields()[0][0].name
        low.refuse(join(at, name), f"'{name}' is not implemented yet in mesh: names are resolved by the system; remove it")
