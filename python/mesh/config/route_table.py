"""envoy.config.route.v3.RouteConfiguration: all virtual hosts behind one listener.

Domains are unique over the whole table, whatever their case; Envoy knows one '*'. Clusters are looked up unless
`validate_clusters` is false, as Envoy does for a static table.
"""

from __future__ import annotations

from typing import Any

from mesh.config import header_mutation, mirror, native_filter, virtual_host
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each, wrapped_or
from meshcore.bind import spec
from meshcore.bind.record import replace

TABLE = Fields(
    "envoy.config.route.v3.RouteConfiguration",
    {
        "name", "virtual_hosts", "internal_only_headers", "most_specific_header_mutations_wins", "validate_clusters",
        "max_direct_response_body_size_bytes", "ignore_port_in_host_matching", "vhost_header",
        "ignore_path_parameters_in_path_matching", "typed_per_filter_config", "request_mirror_policies",
    }
    | header_mutation.LISTS,
    described={"metadata"},
)  # fmt: skip
BODY_LIMIT = 4096


def lower(message: Any, low: Lowering, path: str, *, validate_by_default: bool = True) -> spec.RouteTable:
    """`validate_by_default`: whether clusters must be known when the table does not say; not so for RDS."""
    TABLE.check(message, low.report, path)
    validate_clusters = wrapped_or(message, "validate_clusters", validate_by_default)
    body_limit = wrapped_or(message, "max_direct_response_body_size_bytes", BODY_LIMIT)
    at_hosts = join(path, "virtual_hosts")
    hosts = each(
        message.virtual_hosts,
        at_hosts,
        lambda item, at: virtual_host.lower(item, low, at, validate_clusters=validate_clusters, body_limit=body_limit),
    )
    _check_unique(hosts, low, at_hosts)
    mirrors = mirror.lower(message, low, path, validate_clusters)
    if mirrors:
        hosts = tuple(replace(host, mirrors=host.mirrors or mirrors) for host in hosts)
    return spec.RouteTable(
        name=message.name,
        virtual_hosts=hosts,
        mutation=header_mutation.lower(message, low, path),
        internal_only_headers=tuple(name.lower() for name in message.internal_only_headers),
        most_specific_mutations_win=message.most_specific_header_mutations_wins,
        ignore_port_in_host=message.ignore_port_in_host_matching,
        ignore_path_parameters=message.ignore_path_parameters_in_path_matching,
        vhost_header=message.vhost_header.lower(),
        filters=native_filter.lower_overrides(message.typed_per_filter_config, low, join(path, "typed_per_filter_config")),
    )


def _check_unique(hosts: tuple[spec.VirtualHost, ...], low: Lowering, path: str) -> None:
    domains: dict[str, int] = {}
    for index, host in enumerate(hosts):
        for position, domain in enumerate(host.domains):
            folded = domain.lower()
            if folded in domains:
                text = f"'{domain}' belongs to virtual_hosts[{domains[folded]}] already; a domain stands once in a table"
                low.refuse(f"{path}[{index}].domains[{position}]", text)
            domains.setdefault(folded, index)
