"""How a cluster asks DNS: the DNS fields of Cluster, and the DnsCluster extension that replaces them.

The system's resolver (getaddrinfo) is asked, unless a cluster wants TTLs or name servers of its own: then c-ares is. Without
dns_failure_refresh_rate a failure is asked about again as soon as a success would be. Called by cluster.py; what comes out is what
`mesh.dns` follows."""

from __future__ import annotations

from typing import Any

from mesh.config import address
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each, milliseconds_or, wrapped_or
from meshcore.bind import spec
from meshcore.bind.record import record, values

CLUSTER_FIELDS = frozenset(
    {"dns_refresh_rate", "dns_jitter", "dns_failure_refresh_rate", "dns_lookup_family", "typed_dns_resolver_config", "respect_dns_ttl"}
)
DNS_CLUSTER = Fields(
    "envoy.extensions.clusters.dns.v3.DnsCluster",
    {
        "dns_refresh_rate", "dns_failure_refresh_rate", "dns_jitter", "dns_lookup_family",
        "all_addresses_in_single_endpoint", "respect_dns_ttl",
        "typed_dns_resolver_config",
    },
)  # fmt: skip
SYSTEM = Fields("envoy.extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig", ())
CARES = Fields(
    "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
    {"resolvers", "use_resolvers_as_fallback", "dns_resolver_options", "query_timeout_seconds", "query_tries", "rotate_nameservers"},
)
CARES_OPTIONS = Fields("envoy.config.core.v3.DnsResolverOptions", {"use_tcp_for_dns_lookups", "no_default_search_domain"})
RESOLVER_TYPES = {SYSTEM.message: SYSTEM, CARES.message: CARES}
DNS_PORT = 53
FAMILIES = ("auto", "v4_only", "v6_only", "v4_preferred", "all")
EXTENSION_FAMILIES = ("auto", "auto", "v4_only", "v6_only", "v4_preferred", "all")
REFRESH_MS = 5000
FAILURE_MAX_TIMES_BASE = 10


@record
class Options:
    """The DNS part of a spec.Cluster, under the same names."""

    dns_refresh_ms: int = REFRESH_MS
    dns_failure_base_ms: int = REFRESH_MS
    dns_failure_max_ms: int = REFRESH_MS
    dns_jitter_ms: int = 0
    dns_lookup_family: str = "auto"
    respect_dns_ttl: bool = False
    name_servers: spec.NameServers | None = None

    def named(self) -> dict[str, Any]:
        return values(self)


def lower_fields(message: Any, low: Lowering, path: str) -> Options:
    """The fields of Cluster itself."""
    return _options(message, FAMILIES, low, path)


def lower_extension(config: Any, low: Lowering, path: str) -> tuple[str, Options]:
    """(kind, options) of a DnsCluster."""
    kind = "logical_dns" if config.all_addresses_in_single_endpoint else "strict_dns"
    return kind, _options(config, EXTENSION_FAMILIES, low, path)


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
    family = message.dns_lookup_family
    return Options(
        dns_refresh_ms=refresh,
        dns_failure_base_ms=base,
        dns_failure_max_ms=longest,
        dns_jitter_ms=milliseconds_or(message, "dns_jitter", 0),
        dns_lookup_family=families[family] if family < len(families) else "auto",
        respect_dns_ttl=message.respect_dns_ttl,
        name_servers=_name_servers(message, low, path),
    )


def _name_servers(message: Any, low: Lowering, path: str) -> spec.NameServers | None:
    """What CaresDnsResolverConfig says; None when it says nothing, or when the system is to be asked."""
    if not message.HasField("typed_dns_resolver_config"):
        return None
    at = join(path, "typed_dns_resolver_config.typed_config")
    config, table = low.unpack(message.typed_dns_resolver_config.typed_config, at, RESOLVER_TYPES, "a DNS resolver")
    if config is None:
        return None
    table.check(config, low.report, at)
    if table is SYSTEM or not config.ListFields():
        return None
    options = config.dns_resolver_options
    CARES_OPTIONS.check(options, low.report, join(at, "dns_resolver_options"))
    found = each(config.resolvers, join(at, "resolvers"), lambda item, here: address.lower(item, low, here))
    if len({one.port for one in found}) > 1:
        low.refuse(join(at, "resolvers"), "resolvers on different ports are not implemented yet in mesh; give all the same")
    return spec.NameServers(
        addresses=tuple(spec.Address(one.host, one.port or DNS_PORT) for one in found),
        fallback=config.use_resolvers_as_fallback,
        tcp=options.use_tcp_for_dns_lookups,
        no_search=options.no_default_search_domain,
        timeout_s=wrapped_or(config, "query_timeout_seconds", 0),
        tries=wrapped_or(config, "query_tries", 0),
        rotate=config.rotate_nameservers,
    )
