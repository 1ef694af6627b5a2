"""Health: the checkers and detectors of one proxy, on one thread with an asyncio loop.

The thread starts with the first cluster that has health checks or outlier detection; without one there is none. The publisher tells of
clusters and hosts (any thread), the workers report through the inbox, and what comes out are health bits, handed to the publisher in
batches: one new host set per cluster and turn, and a pause after each that grows with what it cost, so that ten thousand first answers
are not ten thousand sets. Made and ended by mesh.Proxy; `stop` leaves no thread, socket or timer.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from mesh.health import checker, detector
from mesh.health.agenda import Agenda
from mesh.health.checker import Checker
from mesh.health.detector import Detector
from mesh.health.events import EventLogs
from mesh.health.state import FAILED
from meshcore.bind.cluster_hosts import HEALTH_BITS
from meshcore.bind.cluster_table import ClusterTable
from meshcore.bind.outlier import EVENTS, OutlierInbox
from meshcore.bind.spec import Address, Cluster, Endpoint, TlsContext
from meshcore.bind.stats import StatsRegistry

LOG = logging.getLogger("mesh.health")
Change = tuple[Address, int, int]
LEAVING = HEALTH_BITS["pending_dynamic_removal"]
DYNAMIC_KINDS = ("eds", "strict_dns")
UNFIT = ("unhealthy", "timeout", "draining")
SHARE = 5  # publishing takes at most one part in this many of the thread's time
GRACE_S = 1.0  # what a first check may take beyond its timeout
STOP_S = 5.0
# In the order in which a worker finds them: a 503 may end a run of gateway failures and one of 5xx, and the first that ejects wins.
RUN_ORDER = ("consecutive_gateway_failure", "consecutive_5xx", "consecutive_local_origin_failure")
RUN_EVENTS = {EVENTS[name]: name for name in RUN_ORDER}
FAILED_NOW = EVENTS["immediate_health_check_fail"]


class Publishing(Protocol):
    """What this needs of mesh.publish.Publisher."""

    def set_health(self, name: str, changes: Iterable[Change]) -> None: ...
    def hosts_failed(self, name: str, addresses: Iterable[Address]) -> None: ...


class Health:
    """`published` holds the publisher still for a block; it raises RuntimeError when the proxy has none any more."""

    def __init__(self, published: Callable[[], AbstractContextManager[Any]], registry: StatsRegistry) -> None:
        self.inbox = OutlierInbox()
        self.secure: Callable[[TlsContext], TlsContext] = lambda context: context  # gives contexts the contents of their secrets
        self._published = published
        self._registry = registry
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._agenda = Agenda(time.monotonic, self._wake)
        self._alarm: asyncio.TimerHandle | None = None
        self._logs = EventLogs()
        self._checkers: dict[str, Checker] = {}
        self._warming: dict[str, Checker] = {}
        self._detectors: dict[str, Detector] = {}
        self._watched: dict[int, tuple[str, Address]] = {}
        self._ids: dict[str, list[int]] = {}
        self._changes: dict[str, dict[Address, tuple[int, int]]] = {}
        self._failed: dict[str, set[Address]] = {}
        self._flushing = False
        self._early: list[tuple[str, str]] = []

    # --- told by the proxy, on any thread ---

    def warm(self, clusters: Iterable[tuple[Cluster, tuple[Endpoint, ...]]]) -> None:
        """Checks the hosts of clusters that are to be published, and waits until each has answered or has had its time."""
        waits = []
        for spec, endpoints in clusters:
            if spec.health_check is not None and endpoints:
                done = threading.Event()
                self._post(self._prepare, spec, endpoints, done)
                check = spec.health_check
                most = (check.timeout_ms + check.initial_jitter_ms) / 1000 + GRACE_S
                if spec.wait_for_warm_on_init:
                    waits.append((done, time.monotonic() + most))
        for done, end in waits:
            done.wait(max(0.0, end - time.monotonic()))

    def forget_warm(self) -> None:
        """What was published has been told of; checks of clusters that were not end."""
        if self._loop is not None:
            self._post(self._forget_warm)

    def known(self, spec: Cluster) -> list[Change]:
        """What has been found of the hosts of a cluster that is about to be published."""
        found = self._warming.get(spec.name)
        if found is None or not _same(found.spec, spec):
            return []
        return [(address, bits, checker.OWN_BITS & ~bits) for address, bits in found.bits().items()]

    def leaving(self, spec: Cluster, had: tuple[Endpoint, ...], endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
        """Hosts that are not named any more but pass their checks: as in Envoy they stay until one fails, unless the cluster says no."""
        found = self._checkers.get(spec.name)
        if found is None or spec.ignore_health_on_host_removal or spec.kind not in DYNAMIC_KINDS:
            return ()
        named, bits = {endpoint.address for endpoint in endpoints}, found.bits()
        return tuple(
            e for e in had if e.address not in named and e.health not in UNFIT and bits.get(e.address, FAILED) & FAILED == 0
        )

    def marks(self, spec: Cluster, endpoints: tuple[Endpoint, ...], leaving: tuple[Endpoint, ...]) -> list[Change]:
        """The health bits that say who is leaving."""
        if spec.health_check is None or spec.kind not in DYNAMIC_KINDS:
            return []
        gone = {endpoint.address for endpoint in leaving}
        return [(e.address, LEAVING, 0) if e.address in gone else (e.address, 0, LEAVING) for e in endpoints]

    def installed(self, spec: Cluster, table: ClusterTable, endpoints: tuple[Endpoint, ...]) -> None:
        """A cluster runs, for the first time or with other settings."""
        before = spec.name in self._checkers or spec.name in self._detectors
        if before or spec.health_check is not None or spec.outlier_detection is not None:
            self._post(self._installed, spec, table, endpoints)

    def hosts_changed(self, spec: Cluster, table: ClusterTable, endpoints: tuple[Endpoint, ...]) -> None:
        """A cluster that runs has other hosts."""
        if spec.health_check is not None or spec.outlier_detection is not None:
            self._post(self._hosts_changed, spec, table, endpoints)

    def dropped(self, name: str) -> None:
        """A cluster is gone."""
        if self._loop is not None:
            self._post(self._dropped, name)

    def rates(self, name: str) -> dict[str, detector.Rates]:
        """The success rates of a cluster as of the last interval, by origin (external | local); empty without outlier detection."""
        found = self._detectors.get(name)
        return dict(found.rates) if found is not None else {}

    def reopen_logs(self) -> None:
        if self._loop is not None:
            self._post(self._logs.reopen)

    def close(self) -> None:
        """After `stop`, and after the workers have ended."""
        self.inbox.close()

    def stop(self) -> None:
        """Ends all checks and the thread."""
        with self._lock:
            thread, loop, self._thread = self._thread, self._loop, None
        if thread is None or loop is None:
            return
        loop.call_soon_threadsafe(self._end)
        thread.join(STOP_S)
        self._loop = None

    # --- the thread ---

    def _post(self, job: Callable[..., None], *args: Any) -> None:
        with self._lock:
            if self._loop is None:
                self._start()
            loop = self._loop
        assert loop is not None
        loop.call_soon_threadsafe(job, *args)

    def _start(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(self._loop,), name="mesh-health", daemon=True)
        self._thread.start()

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        loop.add_reader(self.inbox.fd, self._on_reports)
        try:
            loop.run_forever()
        finally:
            loop.close()
            self._logs.close()

    def _end(self) -> None:
        loop = asyncio.get_running_loop()
        for one in (*self._checkers.values(), *self._warming.values()):
            one.stop()
        for judge in self._detectors.values():
            judge.stop()
        loop.remove_reader(self.inbox.fd)
        if self._alarm is not None:
            self._alarm.cancel()
        # What was aborted tells so in the next turn.
        loop.call_later(0, loop.stop)

    def _wake(self) -> None:
        """The agenda has something earlier than before."""
        loop = asyncio.get_running_loop()
        if self._alarm is not None:
            self._alarm.cancel()
        due = self._agenda.next_due
        self._alarm = None if due is None else loop.call_later(max(0.0, due - time.monotonic()), self._on_alarm)

    def _on_alarm(self) -> None:
        self._alarm = None
        try:
            self._agenda.run()
        finally:
            self._wake()

    def _on_reports(self) -> None:
        for host_id, events in self.inbox.take():
            name, address = self._watched.get(host_id, ("", None))
            if address is None:
                continue
            for bit, kind in RUN_EVENTS.items():
                if events & bit and name in self._detectors:
                    self._detectors[name].run_reported(host_id, kind)
            if events & FAILED_NOW and name in self._checkers:
                self._checkers[name].fail_now(address)

    # --- clusters and hosts ---

    def _prepare(self, spec: Cluster, endpoints: tuple[Endpoint, ...], done: threading.Event) -> None:
        old = self._warming.pop(spec.name, None)
        if old is not None:
            old.stop()
        fresh = self._warming[spec.name] = self._checker(spec)
        fresh.on_first = done.set
        fresh.set_endpoints(endpoints)

    def _forget_warm(self) -> None:
        for ended in self._warming.values():
            ended.stop()
        self._warming.clear()

    def _installed(self, spec: Cluster, table: ClusterTable, endpoints: tuple[Endpoint, ...]) -> None:
        self._changes.pop(spec.name, None)
        old = self._checkers.pop(spec.name, None)
        if old is not None:
            old.stop() if spec.health_check is not None else self._finish(old)
        warm = self._warming.pop(spec.name, None)
        if spec.health_check is not None:
            if warm is None or not _same(warm.spec, spec):
                if warm is not None:
                    warm.stop()
                warm = self._checker(spec)
            self._checkers[spec.name] = warm
            warm.set_endpoints(endpoints)
            for address, bits in warm.bits().items():
                self._change(spec.name, address, bits, checker.OWN_BITS & ~bits)
        for stat in [stat for name, stat in self._early if name == spec.name]:
            self._registry.add(_prefix(spec) + stat)
        self._early = [early for early in self._early if early[0] != spec.name]
        judge = self._detectors.pop(spec.name, None)
        if judge is not None:
            judge.stop() if spec.outlier_detection is not None else self._finish(judge)
        if spec.outlier_detection is not None:
            self._detectors[spec.name] = self._detector(spec, table)
        self._watch(spec, table)

    def _hosts_changed(self, spec: Cluster, table: ClusterTable, endpoints: tuple[Endpoint, ...]) -> None:
        if spec.name in self._checkers:
            self._checkers[spec.name].set_endpoints(endpoints)
        self._watch(spec, table)

    def _watch(self, spec: Cluster, table: ClusterTable) -> None:
        for host_id in self._ids.pop(spec.name, ()):
            del self._watched[host_id]
        watched = table.hosts.watched()
        self._ids[spec.name] = [ref.id for _, ref in watched]
        self._watched.update({ref.id: (spec.name, endpoint.address) for endpoint, ref in watched})
        if spec.name in self._detectors:
            self._detectors[spec.name].set_hosts((endpoint.address, ref) for endpoint, ref in watched)

    def _dropped(self, name: str) -> None:
        for ended in (self._checkers.pop(name, None), self._warming.pop(name, None), self._detectors.pop(name, None)):
            if ended is not None:
                self._finish(ended)
        self._changes.pop(name, None)
        self._failed.pop(name, None)
        self._early = [early for early in self._early if early[0] != name]
        for host_id in self._ids.pop(name, ()):
            del self._watched[host_id]

    def _finish(self, ended: Checker | Detector) -> None:
        """Stops it, and its statistics end."""
        ended.stop()
        names = checker.COUNTERS + checker.GAUGES if isinstance(ended, Checker) else (*detector.COUNTERS, "ejections_active")
        group = "health_check" if isinstance(ended, Checker) else "outlier_detection"
        for stat in names:
            self._registry.release(f"{_prefix(ended.spec)}{group}.{stat}")

    def _checker(self, spec: Cluster) -> Checker:
        prefix, registry, name = _prefix(spec), self._registry, spec.name
        around = checker.Surroundings(
            agenda=self._agenda,
            runtime=registry.runtime,
            logs=self._logs,
            chance=random.random,
            count=lambda stat, n: self._count(spec, stat, n),
            gauge=lambda stat, value: registry.set_gauge(prefix + stat, value),
            had_traffic=lambda: _had_traffic(registry, prefix),
            changed=lambda address, on, off: self._change(name, address, on, off),
            answered=lambda address, healthy: self._answered(name, address, healthy),
            failed=lambda address: self._host_failed(name, address),
            secure=lambda context: self.secure(context),
        )
        return Checker(spec, around)

    def _detector(self, spec: Cluster, table: ClusterTable) -> Detector:
        prefix, registry, name = _prefix(spec), self._registry, spec.name
        around = detector.Surroundings(
            agenda=self._agenda,
            runtime=registry.runtime,
            logs=self._logs,
            chance=random.random,
            count=lambda stat, n: registry.add(prefix + stat, n),
            gauge=lambda stat, value: registry.set_gauge(prefix + stat, value),
            sweep=table.hosts.sweep,
            changed=lambda address, on, off: self._change(name, address, on, off),
            ejected=lambda address: self._host_failed(name, address),
        )
        return Detector(spec, around)

    def _count(self, spec: Cluster, stat: str, n: int) -> None:
        if stat.startswith(checker.OF_CLUSTER) and spec.name in self._warming:
            self._early.append((spec.name, stat))  # the cluster's own statistics begin when it is published
        else:
            self._registry.add(_prefix(spec) + stat, n)

    def _answered(self, name: str, address: Address, healthy: bool) -> None:
        if healthy and name in self._detectors:
            self._detectors[name].check_passed(address)

    # --- what is published ---

    def _change(self, name: str, address: Address, on: int, off: int) -> None:
        changes = self._changes.setdefault(name, {})
        was_on, was_off = changes.get(address, (0, 0))
        changes[address] = (was_on & ~off | on, was_off & ~on | off)
        self._flush_soon(0.0)

    def _host_failed(self, name: str, address: Address) -> None:
        self._failed.setdefault(name, set()).add(address)
        self._flush_soon(0.0)

    def _flush_soon(self, seconds: float) -> None:
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_later(seconds, self._flush)

    def _flush(self) -> None:
        """Hands the changes of clusters that run to the publisher. Those of clusters that are still warming wait in their checkers."""
        self._flushing = False
        ready = [name for name in {*self._changes, *self._failed} if name in self._checkers or name in self._detectors]
        changes = {name: self._changes.pop(name, {}) for name in ready}
        failed = {name: self._failed.pop(name, set()) for name in ready}
        self._changes.clear()
        self._failed.clear()
        if not ready:
            return
        began = time.monotonic()
        try:
            with self._published() as publisher:
                for name in ready:
                    publisher.set_health(name, [(address, on, off) for address, (on, off) in changes[name].items()])
                    if failed[name]:
                        publisher.hosts_failed(name, failed[name])
        except RuntimeError:
            return  # the proxy is on its way out
        took = time.monotonic() - began
        self._flushing = True
        asyncio.get_running_loop().call_later(took * SHARE, self._pause_over)

    def _pause_over(self) -> None:
        self._flushing = False
        if self._changes or self._failed:
            self._flush()


def _prefix(spec: Cluster) -> str:
    return f"cluster.{spec.alt_stat_name or spec.name}."


def _had_traffic(registry: StatsRegistry, prefix: str) -> bool:
    """Whether a cluster was ever connected to; one that is not published yet was not."""
    try:
        return int(registry.value(f"{prefix}upstream_cx_total")) > 0
    except KeyError:
        return False


def _same(a: Cluster, b: Cluster) -> bool:
    """Whether two specs of one cluster differ in nothing that its checks are made of."""
    return a.name == b.name and a.health_check == b.health_check and a.bind_address == b.bind_address
