"""The dynamic resources of one proxy: what they are now, and what a new response changes.

Five kinds hang together. Clusters (CDS) are taken first, those of type EDS with the hosts of their own file; then listeners (LDS), those
with `rds` with the routes of theirs, those with scopes (SRDS) with these and the routes that they name. All of it is merged with the static
configuration into one plan for `publish`, which compares and touches only what differs; new hosts go straight to their cluster. A response
that is wrong leaves everything as it was; of a response with some wrong clusters or listeners the others are taken, as Envoy does; a
cluster that changes while the file of its hosts is wrong keeps the hosts that it had. Runs on the thread that starts the proxy, and after
that on the watcher's alone; readers on other threads see dicts that are replaced, not changed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from mesh.config import ConfigError, Loaded, Problem, clusters, endpoint, listener, route_table
from mesh.config.errors import Report, join
from mesh.xds import scopes
from mesh.xds.response import Response, single
from mesh.xds.subscription import FileSubscription
from mesh.xds.watch import Watcher
from meshcore.bind import spec
from meshcore.bind.cluster_table import name_cluster
from meshcore.bind.record import record, replace
from meshcore.bind.stats import StatsRegistry

CLUSTER = "envoy.config.cluster.v3.Cluster"
ASSIGNMENT = "envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER = "envoy.config.listener.v3.Listener"
ROUTES = "envoy.config.route.v3.RouteConfiguration"
Hosts = tuple[spec.Endpoint, ...]
RELOADS = ("config_reload", "config_reload_time_ms", "update_empty")  # what routes count beside what every subscription counts


@record(frozen=False)
class Taken:
    """A resource that runs: its message, what it was lowered to, and when."""

    message: Any
    spec: Any
    version: str
    updated_at: float


class Resources:
    """`publish(plan, hosts)` makes a plan run with these hosts of EDS clusters, `set_hosts(cluster, hosts)` gives one cluster others."""

    def __init__(
        self,
        loaded: Loaded,
        registry: StatsRegistry,
        publish: Callable[[spec.Plan, dict[str, Hosts]], None],
        set_hosts: Callable[[str, Hosts], None],
    ) -> None:
        self.clusters: dict[str, Taken] = {}
        self.listeners: dict[str, Taken] = {}
        self.routes: dict[spec.RouteSource, Taken] = {}
        self.scopes: dict[spec.ScopeSource, Taken] = {}
        self.assignments: dict[str, Taken] = {}
        self.subscriptions: dict[tuple[str, Any], FileSubscription] = {}
        self._loaded = loaded
        self._static_clusters = {one.name for one in loaded.plan.clusters}
        self._static_listeners = {one.name for one in loaded.plan.listeners}
        self._registry = registry
        self._publish = publish
        self._set_hosts = set_hosts
        self._running = False
        self._taking_clusters = False
        self._watcher = Watcher()

    # --- life ---

    def start(self) -> None:
        """Reads everything that is there and publishes it. OSError as `publish` raises it."""
        plan = self._loaded.plan
        for cluster in plan.clusters:
            self._subscribe_hosts(cluster)
        if plan.cds is not None:
            self._subscribe("cluster", "", plan.cds, CLUSTER, "cluster_manager.cds.", self._take_clusters)
        for one in plan.listeners:
            self._subscribe_routes(one)
        self._publish(self.plan(), self.hosts())
        # A cluster that ran before, unchanged, has kept its hosts.
        for name, hosts in self.hosts().items():
            self._set_hosts(name, hosts)
        self._running = True
        if plan.lds is not None:
            self._subscribe("listener", "", plan.lds, LISTENER, "listener_manager.lds.", self._take_listeners)
        self._watcher.start()

    def stop(self) -> None:
        self._watcher.stop()

    # --- what runs ---

    def plan(self) -> spec.Plan:
        """The static configuration with all resources in their places."""
        static = self._loaded.plan
        all_clusters = (*static.clusters, *(taken.spec for taken in self.clusters.values()))
        all_listeners = (*static.listeners, *(taken.spec for taken in self.listeners.values()))
        return replace(
            static, clusters=tuple(map(self._with_policy, all_clusters)), listeners=tuple(map(self._with_routes, all_listeners))
        )

    def hosts(self) -> dict[str, Hosts]:
        """The hosts of all clusters of type EDS."""
        return {name: taken.spec[0] for name, taken in self.assignments.items()}

    def _with_policy(self, one: spec.Cluster) -> spec.Cluster:
        taken = self.assignments.get(one.name) if one.eds is not None else None
        if taken is None or all(getattr(one, name) == value for name, value in taken.spec[1].items()):
            return one
        return replace(one, **taken.spec[1])

    def _with_routes(self, one: spec.Listener) -> spec.Listener:
        return replace(one, chains=tuple(map(self._with_table, one.chains)))

    def _with_table(self, chain: spec.FilterChain) -> spec.FilterChain:
        if chain.hcm is None:
            return chain
        if chain.hcm.srds is not None:
            return replace(chain, hcm=replace(chain.hcm, routes=self._scoped(chain.hcm.srds)))
        return replace(chain, hcm=replace(chain.hcm, routes=self._table(chain.hcm.rds))) if chain.hcm.rds is not None else chain

    def _table(self, source: spec.RouteSource) -> spec.RouteTable:
        taken = self.routes.get(source)
        return taken.spec if taken is not None else spec.RouteTable(source.name, ())

    def _scoped(self, source: spec.ScopeSource) -> spec.RouteTable:
        taken = self.scopes.get(source)
        return scopes.table(source, taken.spec if taken is not None else (), self._table)

    # --- subscriptions ---

    def _subscribe(
        self, kind: str, key: Any, source: spec.FileSource, type_name: str, prefix: str, accept: Callable[[Response], None]
    ) -> None:
        made = FileSubscription(source, type_name, prefix, accept, self._registry, self._watcher)
        # The old one ends after the new one has begun: what they count in common goes on.
        self._unsubscribe(kind, key)
        self.subscriptions[kind, key] = made
        made.start()

    def _unsubscribe(self, kind: str, key: Any) -> None:
        gone = self.subscriptions.pop((kind, key), None)
        if kind == "hosts":
            self.assignments.pop(key, None)
        if gone is not None:
            gone.stop()
            for name in {"hosts": ("",), "routes": RELOADS, "scopes": (*RELOADS, *scopes.GAUGES)}.get(kind, ()):
                self._registry.release(gone.prefix + name)

    def _subscribe_hosts(self, one: spec.Cluster) -> None:
        if one.eds is None:
            return
        prefix = cluster_prefix(one)
        name_cluster(self._registry, prefix)
        self._subscribe("hosts", one.name, one.eds, ASSIGNMENT, prefix, lambda response: self._take_hosts(one, response))

    def _subscribe_again(self, one: spec.Cluster, before: Taken | None) -> None:
        """For a cluster that is new or has changed. Its hosts reach it with its new settings, not before; while they cannot be read they
        are those that it had: a cluster without hosts would answer 503 to everybody."""
        had = self.assignments.get(one.name)
        if had is None and before is not None and before.spec.kind == "static":
            low = self._loaded.low.again(Report(""))
            policy = endpoint.lower_policy(before.message.load_assignment, low, "")
            had = Taken(before.message.load_assignment, (before.spec.endpoints, policy), before.version, before.updated_at)
        self._taking_clusters = True
        try:
            self._subscribe_hosts(one)
        finally:
            self._taking_clusters = False
        if had is not None:
            self.assignments.setdefault(one.name, had)

    def _subscribe_routes(self, one: spec.Listener) -> None:
        for manager in one.managers:
            if manager.rds is not None and ("routes", manager.rds) not in self.subscriptions:
                self._subscribe_table(manager.rds, f"http.{manager.stat_prefix}.rds.{manager.rds.name}.")
            if manager.srds is not None and ("scopes", manager.srds) not in self.subscriptions:
                self._subscribe_scopes(manager.srds, f"http.{manager.stat_prefix}.")

    def _subscribe_table(self, source: spec.RouteSource, prefix: str) -> None:
        self._registry.counter(prefix + "config_reload")
        self._registry.gauge(prefix + "config_reload_time_ms")
        self._registry.counter(prefix + "update_empty")
        self._subscribe("routes", source, source.source, ROUTES, prefix, lambda response: self._take_routes(source, prefix, response))

    def _subscribe_scopes(self, source: spec.ScopeSource, manager: str) -> None:
        prefix = f"{manager}scoped_rds.{source.name}."
        self._registry.counter(prefix + "config_reload")
        self._registry.counter(prefix + "update_empty")
        for name in ("config_reload_time_ms", *scopes.GAUGES):
            self._registry.gauge(prefix + name)
        self._subscribe(
            "scopes", source, source.source, scopes.SCOPE, prefix, lambda response: self._take_scopes(source, manager, prefix, response)
        )

    def _end_unused(self) -> None:
        """Ends the subscriptions of clusters, scopes and routes that are no more."""
        static = self._loaded.plan
        known = {one.name for one in static.clusters} | set(self.clusters)
        listeners = (*static.listeners, *(taken.spec for taken in self.listeners.values()))
        managers = [manager for one in listeners for manager in one.managers]
        scoped = {manager.srds for manager in managers if manager.srds is not None}
        wanted = {manager.rds for manager in managers} | {
            scope.routes for source in scoped if source in self.scopes for scope in self.scopes[source].spec
        }
        for kind, key in list(self.subscriptions):
            if kind == "hosts" and key not in known:
                self._unsubscribe(kind, key)
            elif kind == "scopes" and key not in scoped:
                self._unsubscribe(kind, key)
                self.scopes.pop(key, None)
            elif kind == "routes" and key not in wanted:
                self._unsubscribe(kind, key)
                self.routes.pop(key, None)

    # --- responses ---

    def _take_clusters(self, response: Response) -> None:
        found, problems = self._lowered(response, self._static_clusters, clusters.lower_one)
        kept = self._keep_refused(self.clusters, found, problems)
        changed = False
        # Hosts first: a cluster does not run before it knows them.
        for name, taken in kept.items():
            before = self.clusters.get(name)
            if before is not None and before.spec is taken.spec:
                continue
            changed = True
            if taken.spec.eds is None:
                self._unsubscribe("hosts", name)
            else:
                self._subscribe_again(taken.spec, before)
        self._swap("clusters", kept)
        _raise(problems)
        if changed:
            self._count_reload("cluster_manager.cds.")

    def _take_listeners(self, response: Response) -> None:
        found, problems = self._lowered(response, self._static_listeners, listener.lower)
        kept = self._keep_refused(self.listeners, found, problems)
        # Routes first: a listener is not bound before it knows them.
        for taken in kept.values():
            self._subscribe_routes(taken.spec)
        self._swap("listeners", kept)
        _raise(problems)

    def _take_routes(self, source: spec.RouteSource, prefix: str, response: Response) -> None:
        if not response.resources:
            self._registry.add(prefix + "update_empty")
            return
        message = single(response, source.name, lambda found: found.name, "RDS configuration")
        low = self._loaded.low.again(response.report())
        low.cluster_names = self._names()
        table = route_table.lower(message, low, "resources[0]", validate_by_default=False)
        low.report.raise_if_any()
        before = self.routes.get(source)
        if before is not None and before.spec == table:
            return
        self.routes = {**self.routes, source: Taken(message, table, response.version, time.time())}
        if self._running:
            self._publish(self.plan(), self.hosts())
        self._count_reload(prefix)

    def _take_scopes(self, source: spec.ScopeSource, manager: str, prefix: str, response: Response) -> None:
        low = self._loaded.low.again(response.report())
        low.cluster_names = self._names()
        found = scopes.lower(source, response, low)
        # Tables first: a scope is not there before its routes are.
        for scope in found:
            if isinstance(scope.routes, spec.RouteSource) and ("routes", scope.routes) not in self.subscriptions:
                self._subscribe_table(scope.routes, f"{manager}rds.{scope.routes.name}.")
        before = self.scopes.get(source)
        self.scopes = {**self.scopes, source: Taken(response.resources, found, response.version, time.time())}
        if self._running:
            self._publish(self.plan(), self.hosts())
            self._end_unused()
        for name, value in scopes.gauges(response).items():
            self._registry.set_gauge(prefix + name, value)
        if before is None or before.spec != found:
            self._count_reload(prefix)

    def _take_hosts(self, one: spec.Cluster, response: Response) -> None:
        if not response.resources:
            self._registry.add(cluster_prefix(one) + "update_empty")
            return
        message = single(response, one.eds_name, lambda found: found.cluster_name, "EDS cluster")
        low = self._loaded.low.again(response.report())
        hosts = clusters.plain_hosts(message)
        if hosts is None:
            hosts = endpoint.lower_static(message, low, "resources[0]")
        policy = endpoint.lower_policy(message, low, "resources[0]")
        low.report.raise_if_any()
        before = self.assignments.get(one.name)
        same = before is not None and before.spec[1] == policy and same_hosts(before.spec[0], hosts)
        if same and before is not None:
            hosts = before.spec[0]
        # Not a new dict: what one update costs must not depend on the number of clusters.
        self.assignments[one.name] = Taken(message, (hosts, policy), response.version, time.time())
        if not self._running or self._taking_clusters:
            return
        if same:
            self._registry.add(cluster_prefix(one) + "update_no_rebuild")
        elif before is not None and before.spec[1] != policy:
            self._publish(self.plan(), self.hosts())
            self._registry.add("cluster_manager.cluster_updated")
        else:
            self._set_hosts(one.name, hosts)

    # --- parts ---

    def _names(self) -> frozenset[str]:
        return frozenset(self._static_clusters | set(self.clusters))

    def _lowered(
        self, response: Response, static: set[str], lower: Callable[[Any, Any, str], Any]
    ) -> tuple[dict[str, Taken], dict[str, Iterable[Problem]]]:
        """({name: resource}, {name: its problems}) of a response; what has the name of a static one is left out, as in Envoy."""
        found: dict[str, Taken] = {}
        problems: dict[str, Iterable[Problem]] = {}
        templates: dict[bytes, spec.Cluster] = {}
        names = self._names()
        now = time.time()
        for index, message in enumerate(response.resources):
            low = self._loaded.low.again(response.report())
            low.cluster_names, low.templates = names, templates
            path = f"resources[{index}]"
            one = lower(message, low, path)
            if message.name and message.name in found:
                low.refuse(join(path, "name"), f"'{message.name}' stands twice in this response")
            try:
                low.report.raise_if_any()
            except ConfigError as error:
                problems[message.name] = error.problems
                continue
            if one.name not in static:
                found[one.name] = Taken(message, one, response.version, now)
        return found, problems

    def _keep_refused(
        self, running: dict[str, Taken], found: dict[str, Taken], problems: dict[str, Iterable[Problem]]
    ) -> dict[str, Taken]:
        """What shall run: `found`, with the running one where it is the same or where the new one was refused."""
        same = {name: running[name] for name, taken in found.items() if name in running and running[name].spec == taken.spec}
        refused = {name: running[name] for name in problems if name in running}
        return {**refused, **found, **same}

    def _swap(self, kind: str, kept: dict[str, Taken]) -> None:
        """Makes `kept` the resources of a kind; as before when they cannot be published."""
        before = getattr(self, kind)
        setattr(self, kind, kept)
        try:
            if self._running:
                self._publish(self.plan(), self.hosts())
        except BaseException:
            setattr(self, kind, before)
            raise
        self._end_unused()

    def _count_reload(self, prefix: str) -> None:
        self._registry.add(prefix + "config_reload")
        self._registry.set_gauge(prefix + "config_reload_time_ms", int(time.time() * 1000))


def same_hosts(before: Hosts, after: Hosts) -> bool:
    """Whether nothing but the order has changed."""
    return before == after or (len(before) == len(after) and Counter(before) == Counter(after))


def cluster_prefix(one: spec.Cluster) -> str:
    """Of a cluster's statistics."""
    return f"cluster.{one.alt_stat_name or one.name}."


def _raise(problems: dict[str, Iterable[Problem]]) -> None:
    if problems:
        raise ConfigError([problem for some in problems.values() for problem in some])
