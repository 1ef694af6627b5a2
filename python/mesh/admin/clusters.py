"""/clusters: each cluster with its limits and its hosts with their counters, as text or JSON (envoy.admin.v3.Clusters).

Lines and fields are Envoy's, in its order. What mesh does not count per host (rq_pending_active) is left out rather than shown as 0.
Called on the pages' thread; hosts are those of the newest host set."""

from __future__ import annotations

import re
from typing import Any

from mesh.admin.hosts import HostFacts, fill_address, fill_locality, hosts
from mesh.admin.json_text import dumps, shown
from mesh.admin.pages import Query
from mesh.filters import Reply

ORIGINS = (("external", ""), ("local", "local_origin_"))
LIMITS = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
COUNTERS = ("cx_connect_fail", "cx_total", "rq_error", "rq_success", "rq_timeout", "rq_total")
GAUGES = ("cx_active", "rq_active")
# Health flags that have a field of their own in envoy.admin.v3.HostHealthStatus.
STATUS_FIELDS = {
    "failed_active_hc": "failed_active_health_check", "failed_outlier_check": "failed_outlier_check",
    "degraded_active_hc": "failed_active_degraded_check", "pending_dynamic_removal": "pending_dynamic_removal",
    "pending_active_hc": "pending_active_hc", "excluded_via_immediate_hc_fail": "excluded_via_immediate_hc_fail",
    "active_hc_timeout": "active_hc_timeout",
}  # fmt: skip


def page(proxy: Any, query: Query) -> Reply:
    try:
        wanted = re.compile(query.params.get("filter", ""))
    except re.error:
        return Reply(400, "Invalid re2 regex")
    with proxy.published() as running:
        found = [(live, hosts(live)) for name, live in sorted(running.clusters.items()) if wanted.search(name)]
    added = set(proxy.resources.clusters) if proxy.resources is not None else set()
    if query.params.get("format") == "json":
        return Reply(200, as_json(found, added, proxy.health), "application/json")
    return Reply(200, "".join(as_text(cluster, of, cluster.spec.name in added, proxy.health) for cluster, of in found))


def rates_of(health: Any, cluster: Any) -> dict[str, Any]:
    """The success rates that outlier detection found of a cluster, by origin; empty without it."""
    return dict(health.rates(cluster.spec.name)) if health is not None else {}


def host_rate(host: HostFacts, rates: dict[str, Any], origin: str) -> float:
    return float(rates[origin].hosts.get(host.endpoint.address, -1)) if rates else -1.0


def shown_rate(rate: float) -> str:
    return str(int(rate)) if rate == int(rate) else repr(rate)


def observability_name(cluster: Any) -> str:
    return str(cluster.spec.alt_stat_name or cluster.spec.name)


def as_text(cluster: Any, of: list[HostFacts], added: bool = False, health: Any = None) -> str:
    """`added`: it came from discovery. `health`: of the proxy, None without checks and outlier detection."""
    spec, rates = cluster.spec, rates_of(health, cluster)
    lines = [f"observability_name::{observability_name(cluster)}"]
    for origin, prefix in ORIGINS if rates else ():
        lines.append(f"outlier::{prefix}success_rate_average::{shown_rate(rates[origin].average)}")
        lines.append(f"outlier::{prefix}success_rate_ejection_threshold::{shown_rate(rates[origin].threshold)}")
    for priority, limits in (("default", spec.default), ("high", spec.high)):
        lines += [f"{priority}_priority::{name}::{getattr(limits, name)}" for name in LIMITS]
    lines.append(f"added_via_api::{'true' if added else 'false'}")
    for host in of:
        lines += [f"{host.name}::{name}::{value}" for name, value in host_lines(host, rates)]
    return "".join(f"{spec.name}::{line}\n" for line in lines)


def host_lines(host: HostFacts, rates: dict[str, Any]) -> list[tuple[str, Any]]:
    endpoint, place = host.endpoint, host.endpoint.locality
    return [
        *((name, host.stats.get(name, 0)) for name in sorted(COUNTERS + GAUGES)),
        ("hostname", endpoint.hostname),
        ("health_flags", host.flags),
        ("weight", endpoint.weight),
        ("region", place.region),
        ("zone", place.zone),
        ("sub_zone", place.sub_zone),
        ("canary", "true" if endpoint.canary else "false"),
        ("priority", endpoint.priority),
        *((f"{prefix}success_rate", shown_rate(host_rate(host, rates, origin))) for origin, prefix in ORIGINS),
    ]


def as_json(found: list[tuple[Any, list[HostFacts]]], added: set[str], health: Any = None) -> str:
    from envoy.admin.v3.clusters_pb2 import Clusters

    message = Clusters()
    for cluster, of in found:
        status = message.cluster_statuses.add(name=cluster.spec.name, observability_name=observability_name(cluster))
        status.added_via_api = cluster.spec.name in added
        status.eds_service_name = cluster.spec.eds_name
        for number, limits in enumerate((cluster.spec.default, cluster.spec.high)):
            threshold = status.circuit_breakers.thresholds.add(priority=number)
            for name in LIMITS:
                getattr(threshold, name).value = getattr(limits, name)
        rates = rates_of(health, cluster)
        for host in of:
            fill_host(host, rates, status.host_statuses.add())
        for origin, prefix in ORIGINS if rates else ():
            if rates[origin].threshold > 0:
                getattr(status, f"{prefix}success_rate_ejection_threshold").value = rates[origin].threshold
    return dumps(shown(message))


def fill_host(host: HostFacts, rates: dict[str, Any], status: Any) -> None:
    from envoy.admin.v3.metrics_pb2 import SimpleMetric

    fill_address(host.endpoint.address, status.address)
    for kind, names in ((SimpleMetric.COUNTER, COUNTERS), (SimpleMetric.GAUGE, GAUGES)):
        for name in names:
            status.stats.add(type=kind, name=name, value=max(0, host.stats.get(name, 0)))
    fill_health(host.flags, status.health_status)
    for origin, prefix in ORIGINS:
        if (rate := host_rate(host, rates, origin)) >= 0:
            getattr(status, f"{prefix}success_rate").value = rate
    status.weight = host.endpoint.weight
    status.hostname = host.endpoint.hostname
    status.priority = host.endpoint.priority
    fill_locality(host.endpoint.locality, status.locality)


def fill_health(flags: str, status: Any) -> None:
    from envoy.config.core.v3.health_check_pb2 import HealthStatus

    status.eds_health_status = HealthStatus.HEALTHY
    for flag in flags.split("/")[1:]:
        if flag == "failed_eds_health":
            status.eds_health_status = HealthStatus.UNHEALTHY
        elif flag == "degraded_eds_health":
            status.eds_health_status = HealthStatus.DEGRADED
        elif flag == "eds_status_draining":
            status.eds_health_status = HealthStatus.DRAINING
        elif flag in STATUS_FIELDS:
            setattr(status, STATUS_FIELDS[flag], True)
