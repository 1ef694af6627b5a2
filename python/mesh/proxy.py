"""Proxy: one proxy in this process, from a configuration to its last connection.

    with mesh.Proxy("envoy.yaml") as proxy:
        print(proxy.listeners["main"])

A Proxy owns its worker threads (which run without the GIL), its counters, its DNS resolver and its admin server. Methods are called from
one thread at a time; several proxies may live in one process. After `stop` nothing of it is left: no thread, socket, descriptor or table.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from mesh import server_stats
from mesh.config import Loaded, load
from mesh.publish import Publisher
from mesh.runtime import Runtime
from mesh.timers import Timers
from meshcore.bind.spec import Address, Cluster, Endpoint, Plan
from meshcore.bind.stats import StatsRegistry
from meshcore.bind.worker import Worker

if TYPE_CHECKING:
    import asyncio

    from mesh.health import Health
    from mesh.xds.running import Resources
    from meshcore.bind.spec import SecretRef, TlsContext

POLL_S = 0.01
ABORT_S = 5.0
FIRST_DNS_S = 5.0
INBOUND = 1  # envoy.config.core.v3.TrafficDirection


class Proxy:
    """A proxy from `source`: a path, a dict, an Envoy bootstrap message or a `mesh.config.Loaded`.

    `concurrency`: worker threads, default one per core this process may use. `drain_time_s`: how long `drain` waits by default, and how
    long a listener drains that is replaced, removed or told to; `drain_strategy`: "gradual" (its responses end their connections more and
    more often, the rest closes at the end) or "immediate". `on_quit` is called (from a worker's side) when the admin interface is asked
    to quit. `io_uring`: workers use it where the kernel lets them (Linux 6.1; containers often forbid it), else epoll. Raises
    `mesh.ConfigError` for a bad configuration and OSError when it cannot be brought up (port in use, log file)."""

    def __init__(
        self,
        source: Any,
        *,
        concurrency: int | None = None,
        log_level: str = "info",
        drain_time_s: float = 600.0,
        drain_strategy: str = "gradual",
        on_quit: Callable[[], None] | None = None,
        io_uring: bool = True,
    ) -> None:
        self.loaded: Loaded = load(source)
        self.concurrency = concurrency or len(os.sched_getaffinity(0))
        self.log_level = log_level
        self.drain_time_s = drain_time_s
        self.drain_strategy = drain_strategy
        self.on_quit = on_quit
        self.io_uring = io_uring
        self.options: dict[str, Any] = {}
        self.started_at = 0.0
        self.loaded_at = 0.0
        self.healthy = True
        self.state = "PRE_INITIALIZING"
        self.registry = StatsRegistry()
        self.health: Health | None = None  # from the first cluster on that needs it
        self.runtime = Runtime(self.registry, self._service_cluster(), self._follow_runtime)
        self._workers: list[Worker] = []
        self._threads: list[threading.Thread] = []
        self._publisher: Publisher | None = None
        self._resolver: Any = None
        self.resources: Resources | None = None
        self._admin: Any = None
        self._runner: Any = None
        self._app_loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.RLock()
        self._timers = Timers("mesh-timers")

    # --- life ---

    def start(self) -> Proxy:
        """Binds, starts the workers and serves when it returns."""
        if self._publisher is not None:
            raise RuntimeError("this proxy was started before; make a new one")
        self.state = "INITIALIZING"
        self.started_at = time.time()
        self._workers = self._make_workers()
        for worker in self._workers:
            self.registry.attach(worker.slots)
            if len(self._workers) > 1:
                worker.meet(self._workers)
        self._publisher = Publisher(self._workers, self.registry, node=self._node(), runner=self._filter_runner)
        self._run_workers()
        try:
            for worker in self._workers:
                worker.set_drain(self.drain_strategy == "gradual", int(self.drain_time_s * 1000))
            self.runtime.configure(self.loaded.plan.runtime)
            self.resources = self._start_loaded(self.loaded)
            self._start_admin()
        except BaseException:
            self.stop()
            raise
        self.state = "LIVE"
        return self

    def apply(self, source: Any) -> None:
        """Makes `source` the running configuration without losing a request; when it raises, the old one still runs."""
        loaded = load(source)
        self._running()
        old, self.resources = self.resources, self._start_loaded(loaded)
        if old is not None:
            old.stop()
        self.runtime.configure(loaded.plan.runtime)
        self.loaded, self.loaded_at = loaded, time.time()

    def drain(self, timeout: float | None = None) -> bool:
        """Stops accepting, lets requests in flight end; False when `timeout` seconds were not enough."""
        self.state = "DRAINING"
        for worker in self._workers:
            worker.stop_listening()
            worker.drain()
        end = time.monotonic() + (self.drain_time_s if timeout is None else timeout)
        while self.open_connections() > 0:
            if time.monotonic() >= end:
                return False
            time.sleep(POLL_S)
        return True

    @property
    def uses_io_uring(self) -> bool:
        """Whether the workers that run use io_uring: it was wanted, and the kernel has it for them."""
        return bool(self._workers) and all(worker.uses_io_uring for worker in self._workers)

    def stop(self) -> None:
        """Closes everything at once and ends the threads. May be called twice."""
        self._timers.stop()
        self.runtime.stop()
        if self._publisher is not None and self._publisher.secrets is not None:
            self._publisher.secrets.stop()
        if self.health is not None:
            self.health.stop()
        if self.resources is not None:
            self.resources.stop()
            self.resources = None
        if self._resolver is not None:
            self._resolver.stop()
            self._resolver = None
        if self._admin is not None:
            self._admin.stop()
            self._admin = None
        for worker in self._workers:
            worker.abort()
        if self._runner is not None:
            self._runner.stop()
            self._runner = None
        settle(self._workers)
        for worker in self._workers:
            worker.stop()
        for thread in self._threads:
            thread.join()
        for worker in self._workers:
            self.registry.detach(worker.slots)
            worker.close()
        if self.health is not None:
            self.health.close()
        if self._publisher is not None:
            self._publisher.logs.close()
        self._workers, self._threads = [], []
        self.state = "STOPPED"

    def reopen_logs(self) -> None:
        """Opens the access-log files again (after a rotation)."""
        with self._lock:
            self._running().reopen_logs()
        if self.health is not None:
            self.health.reopen_logs()

    def set_secret(self, secret: Any) -> None:
        """Gives the TLS secret `secret` (a dict or message envoy.extensions.transport_sockets.tls.v3.Secret) to all that use its name. New
        connections use it, old ones live on. ConfigError when it cannot be used, KeyError when nobody uses its name."""
        from mesh.secrets import message_of

        message = message_of(secret)
        with self._lock:
            secrets = self._running().secrets
            if secrets is None:
                raise KeyError(f"no TLS context uses a secret called {message.name!r}")
            secrets.set(message)

    def set_health(self, healthy: bool) -> None:
        """What load balancers are told. While it is False, connections end after their next response."""
        self.healthy = healthy
        for worker in self._workers:
            worker.set_health(healthy)

    def drain_listeners(self, *, inbound_only: bool = False, stop_after_s: float | None = None) -> None:
        """Responses begin to end their connections, by the drain strategy. The listeners stop after `stop_after_s` seconds, or never
        when it is None. `inbound_only`: those whose traffic_direction is INBOUND."""
        with self.published() as running:
            running.drain_listeners(self._inbound(running) if inbound_only else list(running.listeners))
        if stop_after_s is not None:
            self._timers.after(stop_after_s, lambda: self.stop_listeners(inbound_only=inbound_only))

    def stop_listeners(self, *, inbound_only: bool = False) -> None:
        """Nothing is accepted any more, whatever is applied later. Otherwise the proxy lives on."""
        with self.published() as running:
            stopped = running.stop_listeners(self._inbound(running) if inbound_only else list(running.listeners))
        self.registry.add("listener_manager.listener_stopped", stopped)

    def __enter__(self) -> Proxy:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    async def __aenter__(self) -> Proxy:
        import asyncio

        self._app_loop = asyncio.get_running_loop()
        return await asyncio.to_thread(self.start)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        import asyncio

        await asyncio.to_thread(self.stop)

    # --- facts ---

    @property
    def listeners(self) -> dict[str, Address]:
        """Listener name -> the address it is bound to (port 0 resolved)."""
        return {name: live.bound[0] for name, live in self._running().listeners.items()}

    @property
    def admin_address(self) -> Address | None:
        """Where the admin interface listens; None without one."""
        return None if self._admin is None else self._admin.address

    @property
    def stats(self) -> dict[str, int | str]:
        """Counters and gauges, by Envoy's names."""
        return self.registry.snapshot()

    def refresh_server_stats(self) -> None:
        """Brings the gauges that describe the process up to date; called before statistics are shown."""
        server_stats.refresh(self)

    @property
    def server_state(self) -> str:
        """PRE_INITIALIZING | INITIALIZING | LIVE | DRAINING | STOPPED; DRAINING also while the health check is made to fail."""
        return "DRAINING" if self.state == "LIVE" and not self.healthy else self.state

    @contextmanager
    def published(self) -> Iterator[Publisher]:
        """What runs on the workers, held still for the block."""
        with self._lock:
            yield self._running()

    def open_connections(self) -> int:
        """Connections of clients to the listeners that run, and to those that are gone."""
        with self.published() as running:
            return running.open_connections()

    def live_objects(self) -> int:
        """Connections, streams, attempts and handles alive in the engine; 0 after `stop`."""
        return sum(worker.live() for worker in self._workers)

    # --- parts ---

    def _follow_runtime(self) -> None:
        with self._lock:
            if self._publisher is not None:
                self._publisher.follow_runtime()

    def _make_workers(self) -> list[Worker]:
        return [Worker(n) for n in range(self.concurrency)]

    def _run_workers(self) -> None:
        for n, worker in enumerate(self._workers):
            thread = threading.Thread(target=worker.run, args=(self.io_uring,), name=f"mesh-worker-{n}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _running(self) -> Publisher:
        if self._publisher is None:
            raise RuntimeError("this proxy has not been started")
        return self._publisher

    def _filter_runner(self) -> Any:
        """Where `async def` filter hooks run: the loop of `async with`, else a loop of the proxy's own."""
        if self._runner is None:
            from mesh.filters.runner import LoopRunner, OwnLoopRunner

            self._runner = OwnLoopRunner() if self._app_loop is None else LoopRunner(self._app_loop)
        return self._runner

    def _inbound(self, running: Publisher) -> list[str]:
        """Names of the listeners whose traffic_direction is INBOUND."""
        messages = list(zip(self.loaded.bootstrap.static_resources.listeners, self.loaded.plan.listeners, strict=True))
        if self.resources is not None:
            messages += [(taken.message, taken.spec) for taken in self.resources.listeners.values()]
        inbound = {spec.name for message, spec in messages if message.traffic_direction == INBOUND}
        return [name for name in running.listeners if name in inbound]

    def _start_statistics(self) -> None:
        """All names are there before another thread asks for them."""
        self.loaded_at = time.time()
        server_stats.declare(self.registry)
        server_stats.count_changes(self, ({}, {}))
        self.refresh_server_stats()
        self.registry.record("server.initialization_time_ms", int((self.loaded_at - self.started_at) * 1000))

    def _flush_statistics(self) -> None:
        self.refresh_server_stats()
        self.registry.flush()

    def _node(self) -> tuple[str, str]:
        return self._service_cluster(), str(self.loaded.plan.node.get("id", ""))

    def _service_cluster(self) -> str:
        return str(self.loaded.plan.node.get("cluster", ""))

    def _start_loaded(self, loaded: Loaded) -> Resources | None:
        """Makes a configuration run; what keeps its dynamic resources, if it has any."""
        if not loaded.plan.dynamic:
            self._publish(loaded.plan, {})
            return None
        from mesh.xds.running import Resources

        resources = Resources(loaded, self.registry, self._publish, self._set_hosts)
        try:
            resources.start()
        except BaseException:
            resources.stop()
            raise
        return resources

    def _publish(self, plan: Plan, hosts: dict[str, tuple[Endpoint, ...]]) -> None:
        """Makes a plan run. `hosts`: of its clusters of type EDS."""
        before = server_stats.specs(self)
        known = {**self._resolved(plan), **hosts}
        changed = self._follow_secrets(plan)
        self._warm(plan, known)
        try:
            with self._lock:
                running = self._running()
                running.publish(plan, known)
                if running.secrets is not None:
                    running.secrets.forget_unused(plan)
                    running.swap_secrets(changed)
        finally:
            if self.health is not None:
                self.health.forget_warm()
        if self.state != "INITIALIZING":
            server_stats.count_changes(self, before)

    def _follow_secrets(self, plan: Plan) -> set[SecretRef]:
        """Follows the secrets that a plan names, before health checks and tables need them; which have other contents now."""
        with self._lock:
            running = self._running()
            if running.secrets is None:
                chains = (chain for listener in plan.listeners for chain in listener.chains)
                used = (*(chain.tls for chain in chains), *(one for cluster in plan.clusters for one in cluster.tls_contexts))
                if not any(context is not None and context.secrets for context in used):
                    return set()
                from mesh.secrets import Secrets

                running.secrets = Secrets(self.loaded.low, self.registry, self._swap_secrets, self._lock)
            return running.secrets.follow(plan, self.loaded.low)

    def _secure(self, context: TlsContext) -> TlsContext:
        """For health checks."""
        secrets = self._running().secrets
        return context if secrets is None else secrets.context(context)

    def _swap_secrets(self, refs: set[SecretRef]) -> None:
        with self._lock:
            self._running().swap_secrets(refs)

    def _warm(self, plan: Plan, known: dict[str, tuple[Endpoint, ...]]) -> None:
        """Hosts of clusters that are new or have changed are checked before they serve."""
        if self.health is None:
            if not any(cluster.health_check or cluster.outlier_detection for cluster in plan.clusters):
                return
            from mesh.health import Health

            self.health = self._running().health = Health(self.published, self.registry)
            self.health.secure = self._secure
        fresh = [cluster for cluster in plan.clusters if cluster.health_check and self._running().is_new(cluster)]
        self.health.warm((cluster, known.get(cluster.name, cluster.endpoints)) for cluster in fresh)

    def _set_hosts(self, name: str, endpoints: tuple[Endpoint, ...]) -> None:
        with self._lock:
            self._running().set_hosts(name, endpoints)

    def _resolved(self, plan: Plan) -> dict[str, tuple[Endpoint, ...]]:
        """The hosts of the clusters that ask DNS, once each of their names has been answered or has failed."""
        named = [cluster for cluster in plan.clusters if cluster.dns]
        if self._resolver is not None:
            self._resolver.update(named)
        elif named:
            self._start_resolver(named)
        if not named:
            return {}
        self._resolver.wait_first(FIRST_DNS_S)
        return {cluster.name: self._resolver.endpoints(cluster.name) for cluster in named}

    def _start_resolver(self, clusters: list[Cluster]) -> None:
        from mesh.dns import Resolver

        self._resolver = Resolver(clusters, self._on_hosts)
        self._resolver.start()

    def _on_hosts(self, name: str, endpoints: tuple[Endpoint, ...], ok: bool) -> None:
        with self._lock:
            if self._publisher is not None and ok:
                self._publisher.set_hosts(name, endpoints)

    def _start_admin(self) -> None:
        self._start_statistics()
        if self.loaded.plan.admin is None:
            return
        from mesh.admin.server import AdminServer

        admin = AdminServer(self, self.loaded.plan.admin)
        admin.start()  # it has stopped itself when this raises
        self._admin = admin
        # Nobody but the admin interface shows intervals; without it there is no thread for them either.
        self._timers.every(self.loaded.plan.stats_flush_interval_ms / 1000, self._flush_statistics)


def settle(workers: list[Worker], timeout: float = ABORT_S) -> None:
    """Waits until nothing is alive in the engines and their logs are on disk, at most `timeout` seconds."""
    end = time.monotonic() + timeout
    while any(worker.live() or worker.flush_logs() for worker in workers) and time.monotonic() < end:
        time.sleep(POLL_S)
