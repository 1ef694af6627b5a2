"""Checker: the active checks of one cluster, each host at its own pace.

Owns a session per checked host: its State, its Probe and what it waits for. Intervals are Envoy's, by what the host is and whether it is
about to change, slower while the cluster has no traffic. Tells bits that changed (`changed`) and each answer (`answered`). Must not touch
host sets. On mesh.health's thread, by its Agenda.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from mesh.health.agenda import Agenda, Entry
from mesh.health.events import EventLogs, check_event
from mesh.health.http import Verify
from mesh.health.probe import UNREADY, Probe, Target, target_in
from mesh.health.state import (
    CHANGED,
    DEGRADED,
    EXCLUDED,
    FAILED,
    NETWORK_FAILURES,
    NETWORK_TIMEOUT,
    PASSIVE,
    PENDING,
    PENDING_CHANGE,
    TIMEOUT,
    Outcome,
    Result,
    State,
)
from meshcore.bind.health_spec import GrpcCheck, HealthCheck, HttpCheck, RedisCheck, TcpCheck, ThriftCheck
from meshcore.bind.record import record
from meshcore.bind.runtime import RuntimeCells
from meshcore.bind.spec import Address, Cluster, Endpoint, TlsContext

OWN_BITS = FAILED | DEGRADED | PENDING | EXCLUDED | TIMEOUT
KINDS = {HttpCheck: "HTTP", TcpCheck: "TCP", GrpcCheck: "GRPC", RedisCheck: "REDIS", ThriftCheck: "THRIFT"}
COUNTERS = ("attempt", "failure", "network_failure", "passive_failure", "success", "verify_cluster")
GAUGES = ("degraded", "healthy")
OF_CLUSTER = ("upstream_cx_protocol_error", "ssl.", UNREADY)  # beginnings of what checks add to the statistics of the cluster itself
NO_LIMIT = 2**63 - 1

MakeProbe = Callable[[HealthCheck, Target, Callable[[Result], None], Verify], Probe]


@record(frozen=False)
class Surroundings:
    """What a checker needs of the proxy around it. `chance` answers in [0, 1); `count` and `gauge` take names below the cluster's."""

    agenda: Agenda
    runtime: RuntimeCells
    logs: EventLogs
    chance: Callable[[], float]
    count: Callable[[str, int], None]
    gauge: Callable[[str, int], None]
    had_traffic: Callable[[], bool]
    changed: Callable[[Address, int, int], None]  # bits to set and to clear
    answered: Callable[[Address, bool], None]  # whether the host is healthy
    failed: Callable[[Address], None]  # it has just become unhealthy
    secure: Callable[[TlsContext], TlsContext] = lambda context: context  # with the contents of its secrets


@record(frozen=False)
class Session:
    """One host under check."""

    endpoint: Endpoint
    state: State
    probe: Probe
    wait: Entry | None = None  # for the next check
    limit: Entry | None = None  # of the check under way


class Checker:
    """`spec` has a health_check. `on_first`: called when each host has been checked once or has left."""

    def __init__(self, spec: Cluster, around: Surroundings, make: MakeProbe | None = None) -> None:
        assert spec.health_check is not None
        self.spec = spec
        self.check = spec.health_check
        self.sessions: dict[Address, Session] = {}
        self.on_first: Callable[[], None] | None = None
        self._around = around
        self._make = make or make_probe
        self._healthy = 0
        self._degraded = 0
        self._unanswered = 0
        self._traffic = False
        self._verify = Verify(around.runtime, lambda: self._count("verify_cluster"), around.chance)
        for name in COUNTERS:
            around.count(f"health_check.{name}", 0)
        self._show_gauges()

    # --- hosts ---

    def set_endpoints(self, endpoints: Iterable[Endpoint]) -> None:
        """These are the hosts now; those that were known go on as they were."""
        wanted = {e.address: e for e in endpoints if e.check is None or not e.check.disabled}
        for address in [a for a in self.sessions if a not in wanted]:
            self._end(self.sessions.pop(address))
        fresh = []
        for address, endpoint in wanted.items():
            known = self.sessions.get(address)
            if known is None:
                self.sessions[address] = fresh_session = self._session(endpoint)
                fresh.append(fresh_session)
            else:
                known.endpoint = endpoint
        for session in fresh:
            self._begin(session)
        self._first_over()

    def stop(self) -> None:
        """Ends all checks."""
        for session in self.sessions.values():
            self._end(session)
        self.sessions.clear()
        self._first_over()

    def bits(self) -> dict[Address, int]:
        """The health bits of every checked host."""
        return {address: session.state.bits for address, session in self.sessions.items()}

    def fail_now(self, address: Address) -> None:
        """A response said so: the host is unhealthy and left out."""
        session = self.sessions.get(address)
        if session is not None:
            self._take(session, Result(PASSIVE, immediate=True))

    def _session(self, endpoint: Endpoint) -> Session:
        check = self.check
        bits = FAILED | (PENDING if self.spec.ignore_new_hosts_until_first_hc else 0)
        state = State(bits, check.healthy_threshold, check.unhealthy_threshold)
        target = target_in(self.spec, endpoint)
        self._unanswered += 1
        probe = self._make(check, target, lambda result: self._on_result(endpoint.address, result), self._verify)
        probe.count = self._around.count
        probe.secure = self._around.secure
        return Session(endpoint, state, probe)

    def _begin(self, session: Session) -> None:
        if self.check.initial_jitter_ms:
            wait = self._with_jitter(0, self.check.initial_jitter_ms)
            session.wait = self._around.agenda.after(wait / 1000, lambda: self._ask(session))
        else:
            self._ask(session)

    def _end(self, session: Session) -> None:
        self._around.agenda.cancel(session.wait)
        self._around.agenda.cancel(session.limit)
        session.probe.abort()
        self._healthy -= not session.state.failed
        self._degraded -= session.state.degraded
        self._unanswered -= session.state.first
        self._show_gauges()

    # --- one check ---

    def _ask(self, session: Session) -> None:
        session.wait = None
        session.limit = self._around.agenda.after(self.check.timeout_ms / 1000, lambda: self._on_timeout(session))
        self._count("attempt")
        session.probe.start()

    def _on_timeout(self, session: Session) -> None:
        session.limit = None
        session.probe.abort()
        self._on_result(session.endpoint.address, Result(NETWORK_TIMEOUT))

    def _on_result(self, address: Address, result: Result) -> None:
        session = self.sessions.get(address)
        if session is None:
            return
        agenda = self._around.agenda
        agenda.cancel(session.limit)
        session.limit = None
        outcome = self._take(session, result)
        session.wait = agenda.after(self._interval(not result.failure, outcome) / 1000, lambda: self._ask(session))

    def _take(self, session: Session, result: Result) -> Outcome:
        state, first, before = session.state, session.state.first, session.state.bits
        outcome = state.take(
            result, log_all_successes=self.check.always_log_success, log_all_failures=self.check.always_log_failures
        )
        self._healthy += (before & FAILED != 0) - state.failed
        self._degraded += state.degraded - (before & DEGRADED != 0)
        self._tell(session, result, outcome, first)
        address = session.endpoint.address
        if state.bits != before:
            self._around.changed(address, state.bits, OWN_BITS & ~state.bits)
            if outcome.transition == CHANGED and state.failed:
                self._around.failed(address)
        self._around.answered(address, not result.failure and not state.failed)
        if first:
            self._unanswered -= 1
            self._first_over()
        return outcome

    def _tell(self, session: Session, result: Result, outcome: Outcome, first: bool) -> None:
        self._count("failure" if result.failure else "success")
        if result.failure in NETWORK_FAILURES:
            self._count("network_failure")
            if result.garbled:
                self._around.count("upstream_cx_protocol_error", 1)
        elif result.failure == PASSIVE:
            self._count("passive_failure")
        self._show_gauges()
        if self.check.event_log_path:
            for kind in outcome.events:
                event = check_event(
                    kind, KINDS[type(self.check.check)], self.spec.name, session.endpoint, failure=result.failure, first=first,
                    status=result.status,
                )  # fmt: skip
                self._around.logs.write(self.check.event_log_path, event)

    def _first_over(self) -> None:
        if self.on_first is not None and self._unanswered == 0:
            told, self.on_first = self.on_first, None
            told()

    # --- when the next one is due, in milliseconds ---

    def _interval(self, healthy: bool, outcome: Outcome) -> int:
        check, pending = self.check, outcome.transition == PENDING_CHANGE
        self._traffic = self._traffic or self._around.had_traffic()
        if not self._traffic:
            base = check.no_traffic_healthy_interval_ms if healthy and not pending else check.no_traffic_interval_ms
        elif healthy:
            base = check.healthy_edge_interval_ms if pending else check.interval_ms
        else:
            base = check.unhealthy_edge_interval_ms if pending else check.unhealthy_interval_ms
        return self._with_jitter(base, check.interval_jitter_ms)

    def _with_jitter(self, base: int, jitter: int) -> int:
        share = self.check.interval_jitter_percent * base // 100
        wait = base + int(self._around.chance() * share) + int(self._around.chance() * jitter)
        most = self._around.runtime.integer("health_check.max_interval", NO_LIMIT)
        least = self._around.runtime.integer("health_check.min_interval", 0)
        return max(1, least, min(wait, most))

    def _count(self, name: str) -> None:
        self._around.count(f"health_check.{name}", 1)

    def _show_gauges(self) -> None:
        self._around.gauge("health_check.healthy", self._healthy)
        self._around.gauge("health_check.degraded", self._degraded)


def make_probe(check: HealthCheck, target: Target, done: Callable[[Result], None], verify: Verify) -> Probe:
    """The probe of a kind of check; the kinds are imported when one is configured."""
    how: Any = check.check
    if isinstance(how, HttpCheck) and how.http2:
        from mesh.health.http2 import HttpProbe2

        return HttpProbe2(how, target, check.reuse_connection, done, verify)
    if isinstance(how, HttpCheck):
        from mesh.health.http1 import Http1Probe

        return Http1Probe(how, target, check.reuse_connection, done, verify)
    if isinstance(how, TcpCheck):
        from mesh.health.tcp import TcpProbe

        return TcpProbe(how, target, check.reuse_connection, done)
    if isinstance(how, GrpcCheck):
        from mesh.health.grpc import GrpcProbe

        return GrpcProbe(how, target, check.reuse_connection, done, check.timeout_ms)
    if isinstance(how, RedisCheck):
        from mesh.health.redis import RedisProbe

        return RedisProbe(how, target, check.reuse_connection, done)
    from mesh.health.thrift import ThriftProbe

    return ThriftProbe(how, target, check.reuse_connection, done)
