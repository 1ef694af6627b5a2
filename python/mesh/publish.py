"""Publication: turns a plan into tables and gives each worker what changed.

Main thread. What is equal in two plans is not touched: an unchanged cluster keeps its hosts, pools and counters, an unchanged listener its
connections. A listener whose routes alone changed keeps its connections too; one that changed otherwise keeps its sockets, and its old
connections finish what they do. A plan that cannot be published (port in use, log file that cannot be opened) changes nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Container, Iterable
from typing import TYPE_CHECKING, Any

from mesh import sockets
from mesh.config import collector
from mesh.filters.load import bind
from mesh.logfiles import LogFiles
from meshcore.bind.cluster_hosts import HostSetRef
from meshcore.bind.cluster_table import ClusterTable
from meshcore.bind.record import field, record, replace
from meshcore.bind.spec import Address, Cluster, Endpoint, FilterChain, Listener, Plan
from meshcore.bind.stats import StatsRegistry
from meshcore.bind.tables import ListenerTable
from meshcore.bind.worker import Worker

if TYPE_CHECKING:
    from mesh.health import Health
    from mesh.secrets import Secrets
    from meshcore.bind.spec import SecretRef, TlsContext

SOMAXCONN = 4096
RUNTIME_OF_CLUSTERS = ("circuit_breakers.", "upstream.maintenance_mode.", "upstream.use_http2")
FOUND_KINDS = ("eds", "strict_dns")  # whose hosts are not those of the configuration


@record(frozen=False)
class LiveListener:
    """A published listener: its spec, slot and the addresses it is really bound to. `stopped`: it accepts no more, whatever comes."""

    spec: Listener
    index: int
    bound: tuple[Address, ...]
    table: ListenerTable
    updated_at: float = field(default_factory=time.time)
    stopped: bool = False


@record(frozen=False)
class LiveCluster:
    """A published cluster: its spec, table and the endpoints of its newest host set. `leaving`: of these, what its configuration does not
    name any more; such a host stays until an active check fails."""

    spec: Cluster
    table: ClusterTable
    index: int
    endpoints: tuple[Endpoint, ...]
    updated_at: float = field(default_factory=time.time)
    leaving: tuple[Endpoint, ...] = ()


@record(frozen=False)
class Leaving:
    """A cluster that is in no configuration any more, and the listeners before this one, whose connections may still ask for it."""

    table: ClusterTable
    index: int
    wanted_by: list[ListenerTable]


class Publisher:
    """What runs on the workers. `workers` all exist before the first `publish`."""

    def __init__(
        self,
        workers: list[Worker],
        registry: StatsRegistry,
        *,
        node: tuple[str, str] = ("", ""),
        runner: Callable[[], Any] | None = None,
    ) -> None:
        self.workers = workers
        self.registry = registry
        self.node = node
        self._runner = runner or _no_runner
        self.health: Health | None = None  # from the first cluster on that needs it
        self.secrets: Secrets | None = None  # from the first TLS context on that names one
        self.logs = LogFiles()
        self.listeners: dict[str, LiveListener] = {}
        self.clusters: dict[str, LiveCluster] = {}
        self._cluster_index: dict[str, int] = {}
        self._zone_followers: dict[str, set[str]] = {}  # by the name of the cluster whose hosts route their zones
        self._listener_index: dict[str, int] = {}
        self._retired: list[ListenerTable | ClusterTable] = []
        self._leaving: dict[str, Leaving] = {}  # clusters by name
        self._runtime_named = True  # whether some runtime key may have named a cluster
        self._ends: tuple[int | None, int | None] | None = None  # None: not looked up since something changed

    def publish(self, plan: Plan, resolved: dict[str, tuple[Endpoint, ...]] | None = None) -> None:
        """Makes `plan` the running configuration. `resolved`: endpoints that DNS clusters have now.

        Raises OSError or ValueError, and then what ran before still runs unchanged."""
        with collector.paused():
            self._publish(plan, resolved or {})

    def _publish(self, plan: Plan, resolved: dict[str, tuple[Endpoint, ...]]) -> None:
        self._ends = None
        fresh_clusters = self._new_clusters(plan, resolved)
        prepared = self._prepare_listeners(plan)
        try:
            opened = self.logs.open_new()
        except OSError:
            for _live, fds in prepared:
                sockets.close_all(fds)
            raise
        for slot, descriptor in opened:
            for worker in self.workers:
                worker.set_log(slot, descriptor)
        self._install_clusters(fresh_clusters)
        for live_listener, fds in prepared:
            self._install_listener(live_listener, fds)
        self._drop_missing(plan, bool(prepared))
        self.forget_retired()

    def set_hosts(self, name: str, endpoints: tuple[Endpoint, ...]) -> None:
        """Replaces one cluster's hosts; costs nothing for the others."""
        live = self.clusters.get(name)
        if live is None:
            return
        before = live.endpoints, live.leaving
        live.leaving = self.health.leaving(live.spec, live.endpoints, endpoints) if self.health is not None else ()
        if before != (endpoints + live.leaving, live.leaving):
            self._replace_hosts(live, endpoints + live.leaving)

    def _replace_hosts(self, live: LiveCluster, endpoints: tuple[Endpoint, ...]) -> None:
        moved = priorities_moved(live.endpoints, endpoints)
        live.endpoints = endpoints
        hosts = live.table.hosts.host_set(endpoints)
        if self.health is not None:
            marks = self.health.marks(live.spec, endpoints, live.leaving)
            hosts = live.table.hosts.set_health(marks) or hosts
        self._publish_hosts(live, hosts, moved=moved)
        self.registry.add("cluster_manager.cluster_updated")
        if self.health is not None:
            self.health.hosts_changed(live.spec, live.table, endpoints)

    def set_health(self, name: str, changes: Iterable[tuple[Address, int, int]]) -> None:
        """Sets and clears health bits (meshcore.bind.cluster_hosts.HEALTH_BITS) of hosts of one cluster: (address, set, clear).

        Costs nothing for the others, and no new set when no balancer would see a difference."""
        live = self.clusters.get(name)
        hosts = live.table.hosts.set_health(changes) if live is not None else None
        if live is not None and hosts is not None:
            self._publish_hosts(live, hosts)
            self.registry.add("cluster_manager.cluster_updated")

    def hosts_failed(self, name: str, addresses: Container[Address]) -> None:
        """Connections to these hosts end, busy ones after their response; what comes yet gets new ones. Those that were leaving leave."""
        live = self.clusters.get(name)
        if live is None:
            return
        for slot in live.table.hosts.slots_of(addresses):
            for worker in self.workers:
                worker.drain_host(live.index, slot)
        if any(endpoint.address in addresses for endpoint in live.leaving):
            named = live.endpoints[: len(live.endpoints) - len(live.leaving)]
            live.leaving = tuple(endpoint for endpoint in live.leaving if endpoint.address not in addresses)
            self._replace_hosts(live, named + live.leaving)

    def _publish_hosts(self, live: LiveCluster, hosts: HostSetRef, *, moved: int = 0) -> None:
        """`moved`: see priorities_moved."""
        for worker in self.workers:
            worker.set_hosts(live.index, hosts)
        self._membership(live, hosts, moved)
        self._route_zones(live, hosts)

    def _route_zones(self, local: LiveCluster, hosts: HostSetRef) -> None:
        """Lets the clusters follow that divide their load by the hosts of this one."""
        for name in self._zone_followers.get(local.spec.name, ()):
            live = self.clusters.get(name)
            if live is not None and live.spec.local_cluster == local.spec.name:
                self._publish_hosts(live, live.table.hosts.follow(hosts))

    def open_connections(self) -> int:
        """Connections to the listeners that run, and to those that are gone."""
        tables = (*(live.table for live in self.listeners.values()), *self._retired)
        prefixes = {table.owned[0] for table in tables if isinstance(table, ListenerTable)}
        return sum(int(self.registry.value(f"{prefix}downstream_cx_active")) for prefix in prefixes)

    def reopen_logs(self) -> None:
        """New descriptors for all access logs; lines already formatted may still go to the old files."""
        fresh, old = self.logs.reopen()
        for slot, descriptor in fresh:
            for worker in self.workers:
                worker.set_log(slot, descriptor)
        for descriptor in old:
            os.close(descriptor)

    def drain_listeners(self, names: Iterable[str]) -> None:
        """Responses of these listeners begin to end their connections, by the drain strategy; they go on accepting."""
        for live in (self.listeners[name] for name in names):
            for worker in self.workers:
                worker.drain_listener(live.index)

    def stop_listeners(self, names: Iterable[str]) -> int:
        """These listeners accept no more; how many did until now. Their open connections stay."""
        running = [live for live in (self.listeners[name] for name in names) if not live.stopped]
        for live in running:
            for worker in self.workers:
                worker.stop_listener(live.index)
            live.stopped = True
        return len(running)

    def forget_retired(self) -> None:
        """Clusters and statistics of what was replaced or removed end when no worker and no connection can use them any more."""
        for name, leaving in list(self._leaving.items()):
            if not any(table.in_use() for table in leaving.wanted_by):
                self._drop_cluster(name)
        kept = []
        for table in self._retired:
            if table.in_use():
                kept.append(table)
                continue
            for name in table.owned:
                self.registry.release(name)
        self._retired = kept

    def follow_runtime(self) -> None:
        """Circuit breakers and maintenance follow the runtime keys that name their cluster. A change that names none costs nothing."""
        runtime = self.registry.runtime
        named = any(map(runtime.mentions, RUNTIME_OF_CLUSTERS))
        if named or self._runtime_named:
            for live in self.clusters.values():
                live.table.follow_runtime(runtime)
        self._runtime_named = named

    # --- secrets ---

    def _resolved(self, spec: Any) -> Any:
        """A listener or cluster with the contents of secrets in place of their names."""
        return spec if self.secrets is None else self.secrets.resolved(spec)

    def _count_secrets(self, table: ListenerTable | ClusterTable, side: str, context: TlsContext | None) -> None:
        """The first contents are updates too."""
        if self.secrets is not None and context is not None and (come := self.secrets.come(context.secrets)):
            self._count_updates(table, side, come)

    def _count_updates(self, table: ListenerTable | ClusterTable, side: str, n: int) -> None:
        name = f"{table.owned[0]}{side}_ssl_socket_factory.ssl_context_update_by_sds"
        if name not in table.owned:
            self.registry.counter(name)
            table.owned.append(name)
        self.registry.add(name, n)

    def swap_secrets(self, refs: set[SecretRef]) -> None:
        """New connections of every context that uses one of these secrets use its content of now; old ones live on."""
        if self.secrets is None or not refs:
            return
        self._ends = None
        old = []
        for listener in self.listeners.values():
            for place, chain in enumerate(listener.spec.chains):
                if uses(chain.tls, refs) and chain.tls is not None:
                    old.append(listener.table.swap_tls(place, self.secrets.context(chain.tls), self.registry))
                    self._count_updates(listener.table, "server", 1)
        for cluster in self.clusters.values():
            for place, context in enumerate((cluster.spec.tls, *(match.tls for match in cluster.spec.socket_matches)), -1):
                if uses(context, refs) and context is not None:
                    old.append(cluster.table.swap_tls(self.secrets.context(context), self.registry, place))
                    self._count_updates(cluster.table, "client", 1)
        # A worker that has just read the pointer takes its reference before it looks at its mailbox.
        for worker in self.workers if old else ():
            worker.live()

    def first_ends(self) -> tuple[int | None, int | None]:
        """When the first certificate or authority of all TLS contexts ends, and the first OCSP response: seconds since the epoch. None:
        there is none."""
        if self._ends is None:
            chains = (chain.tls for live in self.listeners.values() for chain in live.spec.chains if chain.tls is not None)
            contexts = (*chains, *(context for live in self.clusters.values() for context in live.spec.tls_contexts))
            self._ends = first_ends(contexts if self.secrets is None else map(self.secrets.context, contexts))
        return self._ends

    # --- clusters ---

    def is_new(self, spec: Cluster) -> bool:
        """Whether a cluster would be published anew: it does not run, or with settings other than its hosts changed."""
        live = self.clusters.get(spec.name)
        return live is None or (live.spec != spec and replace(live.spec, endpoints=()) != replace(spec, endpoints=()))

    def _new_clusters(self, plan: Plan, resolved: dict[str, tuple[Endpoint, ...]]) -> list[LiveCluster]:
        fresh = []
        now = time.time()  # one object for all of them
        for spec in plan.clusters:
            live = self.clusters.get(spec.name)
            if live is not None and (live.spec is spec or live.spec == spec):
                continue
            if live is not None and replace(live.spec, endpoints=()) == replace(spec, endpoints=()):
                live.spec = spec
                live.updated_at = now
                self.set_hosts(spec.name, spec.endpoints)
                continue
            index = self._cluster_index.setdefault(spec.name, len(self._cluster_index))
            endpoints = resolved.get(spec.name, spec.endpoints)
            fresh.append(LiveCluster(spec, self._table(spec, index), index, endpoints, now))
        return fresh

    def _table(self, spec: Cluster, index: int) -> ClusterTable:
        spec = self._resolved(spec)
        inbox = self.health.inbox if self.health is not None else None
        made = ClusterTable(spec, index, self.registry, inbox, self._cluster_index)
        for context in spec.tls_contexts:
            self._count_secrets(made, "client", context)
        return made

    def _install_clusters(self, fresh: list[LiveCluster]) -> None:
        for live in fresh:
            if live.spec.local_cluster:
                self._zone_followers.setdefault(live.spec.local_cluster, set()).add(live.spec.name)
        # The proxies' own cluster first: the others route zones by it.
        self._install([live for live in fresh if live.spec.name in self._zone_followers])
        self._install([live for live in fresh if live.spec.name not in self._zone_followers])

    def _install(self, fresh: list[LiveCluster]) -> None:
        hosts = []
        for live in fresh:
            made = live.table.hosts.host_set(live.endpoints)
            if (local := self.clusters.get(live.spec.local_cluster)) is not None:
                made = live.table.hosts.follow(local.table.hosts.newest())
            if self.health is not None:
                made = live.table.hosts.set_health(self.health.known(live.spec)) or made
            hosts.append(made)
        for worker in self.workers:
            worker.set_clusters([(live.table, of) for live, of in zip(fresh, hosts, strict=True)])
        for live, of in zip(fresh, hosts, strict=True):
            before = self.clusters.get(live.spec.name)
            if (old := before or self._leaving.pop(live.spec.name, None)) is not None:
                self._retired.append(old.table)
            self.clusters[live.spec.name] = live
            kept = before is not None and not changes_settings(before.spec, live.spec)
            self._membership(live, of, priorities_moved(before.endpoints if kept and before is not None else (), live.endpoints))
            self._route_zones(live, of)
            if self.health is not None:
                self.health.installed(live.spec, live.table, live.endpoints)

    def _membership(self, live: LiveCluster, hosts: HostSetRef, moved: int) -> None:
        prefix = f"cluster.{live.spec.alt_stat_name or live.spec.name}."
        for name, value in zip(("total", "healthy", "degraded", "excluded"), hosts.membership(), strict=True):
            self.registry.set_gauge(f"{prefix}membership_{name}", value)
        if moved:
            self.registry.add(prefix + "membership_change", moved)
        if live.spec.kind in FOUND_KINDS and live.endpoints:
            self.registry.set_gauge(prefix + "max_host_weight", heaviest(live.endpoints))
        # Envoy keeps subsets and zones once per worker and once on the main thread, and counts each of them.
        copies = len(self.workers) + 1
        for name, grown in live.table.hosts.taken_counts().items():
            self.registry.add(prefix + name, grown * copies)
        for name, grown in live.table.hosts.taken_matches().items():
            self.registry.add(f"{prefix}{name}.total_match_count", grown)
        for name, value in hosts.gauges().items():
            self.registry.set_gauge(prefix + name, value)
        if (subsets := hosts.subsets()) is not None:
            self.registry.set_gauge(prefix + "lb_subsets_active", subsets[0] * copies)
            self.registry.set_gauge(prefix + "lb_subsets_single_host_per_subset_duplicate", subsets[1])

    # --- listeners ---

    def _prepare_listeners(self, plan: Plan) -> list[tuple[LiveListener, list[list[int]]]]:
        """Builds tables and binds sockets for what is new or changed; on failure everything is closed again."""
        prepared: list[tuple[LiveListener, list[list[int]]]] = []
        try:
            for spec in plan.listeners:
                live = self.listeners.get(spec.name)
                if live is not None and (live.stopped or live.spec == spec):
                    continue
                if live is not None and _sockets(live.spec) == _sockets(spec):
                    prepared.append((self._build(spec, live.index, live.bound, _kept_chains(live.spec, spec)), []))
                    continue
                index = self._listener_index.setdefault(spec.name, len(self._listener_index))
                bound, fds = sockets.bind_all(spec, len(self.workers))
                try:
                    prepared.append((self._build(spec, index, bound), fds))
                except BaseException:
                    sockets.close_all(fds)
                    raise
        except BaseException:
            for _live, fds in prepared:
                sockets.close_all(fds)
            raise
        return prepared

    def _build(
        self, spec: Listener, index: int, bound: tuple[Address, ...], kept: tuple[int | None, ...] = ()
    ) -> LiveListener:
        stat_name = spec.stat_prefix or stat_address(bound[0])
        resolved = self._resolved(spec)
        bound_spec = replace(resolved, chains=tuple(self._bind_filters(chain) for chain in resolved.chains))
        table = ListenerTable(
            bound_spec, index, self.registry, self._cluster_index, self.logs.slots, self.node, stat_name, kept
        )
        for chain in resolved.chains:
            self._count_secrets(table, "server", chain.tls)
        if bound[0].port >= 0:
            table.set_port(bound[0].port)
        return LiveListener(spec, index, bound, table)

    def _bind_filters(self, chain: FilterChain) -> FilterChain:
        """The chain with its Python filters made."""
        if chain.hcm is None:
            return chain
        filters = tuple(
            replace(f, settings=bind(f.name, f.settings, self._runner)) if f.kind == "python" else f
            for f in chain.hcm.filters
        )
        return replace(chain, hcm=replace(chain.hcm, filters=filters))

    def _install_listener(self, live: LiveListener, fds: list[list[int]]) -> None:
        old = self.listeners.get(live.spec.name)
        if fds and old is not None:
            for worker in self.workers:
                worker.drop_listener(live.index)
        for n, worker in enumerate(self.workers):
            if fds:
                worker.set_listener(live.table, fds[n], live.spec.backlog or SOMAXCONN)
            elif old is not None and _without_routes(old.spec) == _without_routes(live.spec):
                worker.set_routes(live.table)
                if old.spec.backlog != live.spec.backlog:
                    worker.set_backlog(live.index, live.spec.backlog or SOMAXCONN)
            else:
                worker.update_listener(live.table)
        if old is not None:
            self._retired.append(old.table)
        self.listeners[live.spec.name] = live

    def _drop_missing(self, plan: Plan, listeners_moved: bool) -> None:
        names = {spec.name for spec in plan.listeners}
        for name in [n for n in self.listeners if n not in names]:
            live = self.listeners.pop(name)
            self._retired.append(live.table)
            listeners_moved = True
            for worker in self.workers:
                worker.drop_listener(live.index)
        # Clusters that go alone (CDS) go at once, as Envoy's; those that go with the routes to them wait for connections that drain.
        earlier = [table for table in self._retired if isinstance(table, ListenerTable)] if listeners_moved else []
        names = {spec.name for spec in plan.clusters}
        for name in [n for n in self.clusters if n not in names]:
            gone = self.clusters.pop(name)
            if self.health is not None:
                self.health.dropped(name)
            self._leaving[name] = Leaving(gone.table, gone.index, earlier)

    def _drop_cluster(self, name: str) -> None:
        leaving = self._leaving.pop(name)
        self._retired.append(leaving.table)
        for worker in self.workers:
            worker.drop_cluster(leaving.index)


def uses(context: TlsContext | None, refs: set[SecretRef]) -> bool:
    return context is not None and not refs.isdisjoint(context.secrets)


def first_ends(contexts: Iterable[TlsContext]) -> tuple[int | None, int | None]:
    """Of those that are ready, see Publisher.first_ends."""
    ends: list[list[int]] = [[], []]
    for context in contexts:
        if context.ready:
            from meshcore.bind import tls

            for found, end in zip(ends, tls.first_ends(context), strict=True):
                found += [end] if end is not None else []
    return min(ends[0], default=None), min(ends[1], default=None)


def _no_runner() -> Any:
    raise ValueError("an async filter hook needs an event loop, and this publisher has none")


def _sockets(spec: Listener) -> Any:
    return (
        spec.address, spec.additional_addresses, spec.reuse_port, spec.bind_to_port, spec.freebind, spec.transparent, spec.pipe_mode,
        spec.socket_options,
    )  # fmt: skip


def _chain_without_routes(chain: FilterChain) -> FilterChain:
    return replace(chain, hcm=replace(chain.hcm, routes=None)) if chain.hcm else chain


def _without_routes(spec: Listener) -> Listener:
    """What of it open connections would notice."""
    return replace(spec, backlog=0, chains=tuple(map(_chain_without_routes, spec.chains)))


def changes_settings(old: Cluster, new: Cluster) -> bool:
    """Whether two clusters differ in more than what an assignment from elsewhere says."""
    return old != new and _without_policy(old) != _without_policy(new)


def _without_policy(spec: Cluster) -> Cluster:
    if spec.eds is None:
        return spec
    return replace(spec, overprovisioning_factor=0, weighted_priority_health=False, drop_share=0.0)


def priorities_moved(before: tuple[Endpoint, ...], after: tuple[Endpoint, ...]) -> int:
    """In how many priorities hosts come or go. One that is called otherwise or lives elsewhere is another; weights, health and metadata
    may change."""
    if before == after:
        return 0
    if not before:
        return len({one.priority for one in after})
    old, new = _by_priority(before), _by_priority(after)
    return sum(old.get(priority) != new.get(priority) for priority in {*old, *new})


def heaviest(endpoints: tuple[Endpoint, ...]) -> int:
    """The greatest weight of a host in the last priority: Envoy's gauge, which each priority overwrites."""
    last = max((one.priority for one in endpoints), default=0)
    return max((one.weight for one in endpoints if one.priority == last), default=0)


def _by_priority(endpoints: tuple[Endpoint, ...]) -> dict[int, set[Any]]:
    found: dict[int, set[Any]] = {}
    for one in endpoints:
        found.setdefault(one.priority, set()).add((one.address, one.hostname, one.locality))
    return found


def changes_chains_alone(old: Listener, new: Listener) -> bool:
    """Whether two listeners differ in their filter chains, and in nothing else that connections notice."""
    return old != new and replace(old, backlog=0, chains=(), matcher=None) == replace(new, backlog=0, chains=(), matcher=None)


def _kept_chains(old: Listener, new: Listener) -> tuple[int | None, ...]:
    """For each chain of `new` its place in `old`, None where its connections would notice a difference."""
    if not changes_chains_alone(old, new):
        return ()
    left = {(chain.name, chain.match, chain.fallback): place for place, chain in enumerate(old.chains)}
    kept: list[int | None] = []
    for chain in new.chains:
        place = left.get((chain.name, chain.match, chain.fallback))
        same = place is not None and _chain_without_routes(old.chains[place]) == _chain_without_routes(chain)
        kept.append(place if same else None)
    return tuple(kept)


def stat_address(address: Address) -> str:
    """How Envoy writes an address into a statistic's name."""
    if address.port < 0:
        return address.host
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}_{address.port}".replace(":", "_")
