"""envoy.config.bootstrap.v3.Bootstrap: the whole configuration of a process, lowered to one spec.Plan.

The top of the lowering: checks Envoy's own constraints on the whole message, collects the names of the clusters that
routes may use, and then goes down file by file. Names of clusters and listeners are unique, and so are addresses that
are not "any free port". Tracing and overload are refused. Called by `load`.
"""

from __future__ import annotations

from typing import Any

from mesh.config import access_log, address, clusters, config_source, endpoint, listener, outlier, rules, runtime
from mesh.config import format as formats
from mesh.config.errors import join
from mesh.config.fields import Fields, anything, unset
from mesh.config.lowering import Lowering, milliseconds_or
from mesh.config.render import to_tree
from meshcore.bind import spec

BOOTSTRAP = Fields(
    "envoy.config.bootstrap.v3.Bootstrap",
    {"node", "static_resources", "dynamic_resources", "admin", "stats_flush_interval", "layered_runtime", "cluster_manager"},
    described={"node_context_params", "perf_tracing_file_path"},
    harmless={
        "stats_config": unset, "overload_manager": unset, "watchdogs": anything, "watchdog": anything,
        "deferred_stat_options": unset, "flags_path": anything,
    },
)  # fmt: skip
DYNAMIC = Fields("envoy.config.bootstrap.v3.Bootstrap.DynamicResources", {"cds_config", "lds_config"})
CLUSTER_MANAGER = Fields(
    "envoy.config.bootstrap.v3.ClusterManager",
    {"local_cluster_name", "outlier_detection"},
    harmless={"enable_deferred_cluster_creation": anything},
)
STATIC = Fields("envoy.config.bootstrap.v3.Bootstrap.StaticResources", {"listeners", "clusters", "secrets"})
ADMIN = Fields(
    "envoy.config.bootstrap.v3.Admin",
    {"access_log", "access_log_path", "address"},
    described={"profile_path"},
    harmless={"ignore_global_conn_limit": anything},
)
STATS_FLUSH_MS = 5000
CLUSTERS_APART = frozenset({"envoy.config.cluster.v3.Cluster"})  # each is checked when it is lowered


def lower(message: Any, low: Lowering) -> spec.Plan:
    """The plan of `message`; problems are in `low.report`, and the plan counts only when there are none."""
    rules.check(message, low.report, "", apart=CLUSTERS_APART)
    BOOTSTRAP.check(message, low.report, "")
    static = message.static_resources
    STATIC.check(static, low.report, "static_resources")
    low.cluster_names = frozenset(item.name for item in static.clusters)
    low.preconnecting = frozenset(item.name for item in static.clusters if item.preconnect_policy.per_upstream_preconnect_ratio.value > 1)
    CLUSTER_MANAGER.check(message.cluster_manager, low.report, "cluster_manager")
    low.local_cluster = message.cluster_manager.local_cluster_name
    if low.local_cluster and low.local_cluster not in low.cluster_names:
        low.refuse("cluster_manager.local_cluster_name", f"no cluster is called '{low.local_cluster}'")
    low.outlier_log = outlier.lower_log(message.cluster_manager.outlier_detection, low, "cluster_manager.outlier_detection")
    low.locality = endpoint.lower_locality(message.node.locality)
    low.secrets = _secrets(static.secrets, low, "static_resources.secrets")
    static_clusters = clusters.lower_all(static.clusters, low, "static_resources.clusters")
    listeners = _listeners(static.listeners, low, "static_resources.listeners")
    dynamic = message.dynamic_resources
    DYNAMIC.check(dynamic, low.report, "dynamic_resources")
    ADMIN.check(message.admin, low.report, "admin")
    at_cds, at_lds = "dynamic_resources.cds_config", "dynamic_resources.lds_config"
    return spec.Plan(
        listeners=listeners,
        clusters=static_clusters,
        admin=address.lower(message.admin.address, low, "admin.address") if message.admin.HasField("address") else None,
        admin_access_logs=_admin_logs(message.admin, low),
        node=to_tree(message.node),
        runtime=runtime.lower_layers(message.layered_runtime, low, "layered_runtime"),
        stats_flush_interval_ms=milliseconds_or(message, "stats_flush_interval", STATS_FLUSH_MS),
        cds=config_source.lower(dynamic.cds_config, low, at_cds) if dynamic.HasField("cds_config") else None,
        lds=config_source.lower(dynamic.lds_config, low, at_lds) if dynamic.HasField("lds_config") else None,
        secrets=tuple(low.secrets.items()),
    )


def _secrets(items: Any, low: Lowering, path: str) -> dict[str, bytes]:
    """{name: message} of the secrets; each is lowered once to see whether it is good."""
    if not items:
        return {}
    from mesh.config import tls_secret

    found: dict[str, bytes] = {}
    for index, item in enumerate(items):
        at = f"{path}[{index}]"
        if item.name in found:
            low.refuse(join(at, "name"), f"another secret is called '{item.name}'")
        tls_secret.lower(item, low, at)
        found[item.name] = item.SerializeToString()
    return found


def _admin_logs(message: Any, low: Lowering) -> tuple[spec.AccessLog, ...]:
    found = access_log.lower_all(message.access_log, low, "admin.access_log")
    if message.access_log_path:
        found += (spec.AccessLog(message.access_log_path, formats.DEFAULT_TEXT),)
    return found


def _listeners(items: Any, low: Lowering, path: str) -> tuple[spec.Listener, ...]:
    seen: dict[str, int] = {}
    bound: dict[spec.Address, int] = {}
    found = []
    for index, item in enumerate(items):
        at = f"{path}[{index}]"
        one = listener.lower(item, low, at)
        if one is None:
            continue
        if item.name and item.name in seen:
            low.refuse(join(at, "name"), f"{path}[{seen[item.name]}] is called '{item.name}' as well")
        seen.setdefault(item.name, index)
        for here in (one.address, *one.additional_addresses):
            if here.port and here in bound:
                low.refuse(join(at, "address"), f"{listener.name_of(here)} belongs to {path}[{bound[here]}] already")
            bound.setdefault(here, index)
        found.append(one)
    return tuple(found)
