"""State: what the results of active checks make of one host. Envoy's rules, without clock, socket or thread.

A host starts failed; its first success makes it healthy at once, later ones after `healthy_threshold` in a row. A failure counts towards
`unhealthy_threshold` when the network or a retriable status is to blame, any other makes the host unhealthy at once. The bits are those of
meshcore.bind.cluster_hosts.HEALTH_BITS; the caller hands changes on.
"""

from __future__ import annotations

from meshcore.bind.cluster_hosts import HEALTH_BITS
from meshcore.bind.record import field, record

FAILED = HEALTH_BITS["failed_active_hc"]
DEGRADED = HEALTH_BITS["degraded_active_hc"]
PENDING = HEALTH_BITS["pending_active_hc"]
EXCLUDED = HEALTH_BITS["excluded_via_immediate_hc_fail"]
TIMEOUT = HEALTH_BITS["active_hc_timeout"]

ACTIVE, PASSIVE, NETWORK, NETWORK_TIMEOUT = "ACTIVE", "PASSIVE", "NETWORK", "NETWORK_TIMEOUT"
NETWORK_FAILURES = (NETWORK, NETWORK_TIMEOUT)
UNCHANGED, PENDING_CHANGE, CHANGED = "unchanged", "pending", "changed"


@record
class Result:
    """What one check found. A failure has its `failure`: ACTIVE, PASSIVE, NETWORK or NETWORK_TIMEOUT. `immediate`: the host wants to be
    left alone at once. `status`: of an HTTP answer, 0 = none. `garbled`: the host broke the protocol."""

    failure: str = ""
    degraded: bool = False
    retriable: bool = False
    immediate: bool = False
    status: int = 0
    garbled: bool = False


@record(frozen=False)
class Outcome:
    """What a result changed: `transition` says how the host's health moved, `events` what the event log tells, in order."""

    transition: str = UNCHANGED
    events: list[str] = field(default_factory=list)


class State:
    """`bits`: the health bits of active checks. `first`: no check has answered yet."""

    __slots__ = ("bits", "first", "healthy_threshold", "passed", "refused", "unhealthy_threshold")

    def __init__(self, bits: int, healthy_threshold: int, unhealthy_threshold: int) -> None:
        self.bits = bits
        self.first = True
        self.healthy_threshold = healthy_threshold
        self.unhealthy_threshold = unhealthy_threshold
        self.passed = 0  # successes in a row while failed
        self.refused = 0  # failures in a row while not

    @property
    def failed(self) -> bool:
        return self.bits & FAILED != 0

    @property
    def degraded(self) -> bool:
        return self.bits & DEGRADED != 0

    def take(self, result: Result, *, log_all_successes: bool = False, log_all_failures: bool = False) -> Outcome:
        """Counts one result."""
        if result.immediate:
            self.bits |= EXCLUDED
        outcome = Outcome()
        if result.failure:
            self._failed(result, outcome)
            if self.first or log_all_failures:
                outcome.events.append("health_check_failure_event")
            self.first = False
        else:
            self._succeeded(result, outcome, log_all_successes)
        return outcome

    def _succeeded(self, result: Result, outcome: Outcome, log_all: bool) -> None:
        self.refused = 0
        if self.failed:
            self.passed += 1
            outcome.transition = PENDING_CHANGE
            if self.first or self.passed == self.healthy_threshold:
                self.bits &= ~(FAILED | TIMEOUT | EXCLUDED)
                outcome.transition = CHANGED
                outcome.events.append("add_healthy_event")
        if outcome.transition != CHANGED and log_all:
            outcome.events.append("successful_health_check_event")
        self._answered(outcome)
        if result.degraded != self.degraded:
            self.bits ^= DEGRADED
            outcome.events.append("degraded_healthy_host" if result.degraded else "no_longer_degraded_host")
            if outcome.transition == UNCHANGED:
                outcome.transition = CHANGED
        self.first = False

    def _failed(self, result: Result, outcome: Outcome) -> None:
        self.passed = 0
        if not self.failed:
            at_once = result.failure not in NETWORK_FAILURES and not result.retriable
            self.refused += not at_once
            outcome.transition = PENDING_CHANGE
            if at_once or self.refused == self.unhealthy_threshold:
                self.bits |= FAILED
                outcome.transition = CHANGED
                outcome.events.append("eject_unhealthy_event")
        if result.failure == NETWORK_TIMEOUT and self.failed:
            self.bits |= TIMEOUT
        else:
            self.bits &= ~TIMEOUT
        self._answered(outcome)

    def _answered(self, outcome: Outcome) -> None:
        if self.bits & PENDING:
            self.bits &= ~PENDING
            outcome.transition = CHANGED
