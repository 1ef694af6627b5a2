"""Detector: outlier detection of one cluster, the judging half.

Workers count (meshcore.cluster.outlier) and report runs of failures, which are judged as they come; success rates and failure percentages
are judged at each interval, where ejections end too. All rules, numbers and runtime keys are Envoy's (outlier_detection.*). Tells bits
that changed; must not touch host sets. On mesh.health's thread, by its Agenda.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from mesh.health.agenda import Agenda, Entry
from mesh.health.events import EventLogs, outlier_event
from meshcore.bind.cluster_hosts import HEALTH_BITS
from meshcore.bind.health_spec import OutlierDetection
from meshcore.bind.record import record
from meshcore.bind.runtime import RuntimeCells
from meshcore.bind.spec import Address, Cluster

FAILED_OUTLIER = HEALTH_BITS["failed_outlier_check"]
UNKNOWN = -1.0  # a success rate that was not computed
RUNS = ("consecutive_5xx", "consecutive_gateway_failure", "consecutive_local_origin_failure")
ORIGINS = ("external", "local")  # of success rates: answers, and connections
RATES = {"external": "success_rate", "local": "local_origin_success_rate"}
PERCENTAGES = {"external": "failure_percentage", "local": "local_origin_failure_percentage"}
ENFORCING = {"local_origin_failure_percentage": "failure_percentage_local_origin"}  # where the field has another order of words
TYPES = {
    "consecutive_5xx": "CONSECUTIVE_5XX", "consecutive_gateway_failure": "CONSECUTIVE_GATEWAY_FAILURE",
    "consecutive_local_origin_failure": "CONSECUTIVE_LOCAL_ORIGIN_FAILURE", "success_rate": "SUCCESS_RATE",
    "local_origin_success_rate": "SUCCESS_RATE_LOCAL_ORIGIN", "failure_percentage": "FAILURE_PERCENTAGE",
    "local_origin_failure_percentage": "FAILURE_PERCENTAGE_LOCAL_ORIGIN",
}  # fmt: skip
COUNTERS = (
    *(f"ejections_{state}_{kind}" for state in ("detected", "enforced") for kind in TYPES),
    "ejections_detected_degradation", "ejections_enforced_total", "ejections_overflow",
    "ejections_consecutive_5xx", "ejections_success_rate", "ejections_total",
)  # fmt: skip


class Counted(Protocol):
    """A host's counters: meshcore.bind.outlier.OutlierRef."""

    @property
    def id(self) -> int: ...
    def end_run(self, name: str) -> None: ...


@record(frozen=False)
class Surroundings:
    """What a detector needs of the proxy around it. `sweep`: what ClusterHosts.sweep answers; `chance` answers in [0, 1)."""

    agenda: Agenda
    runtime: RuntimeCells
    logs: EventLogs
    chance: Callable[[], float]
    count: Callable[[str, int], None]
    gauge: Callable[[str, int], None]
    sweep: Callable[[], list[tuple[int, tuple[int, int, int, int]]]]
    changed: Callable[[Address, int, int], None]  # bits to set and to clear
    ejected: Callable[[Address], None]


@record(frozen=False)
class Monitor:
    """One host. Times are the agenda's seconds."""

    address: Address
    counted: Counted
    ejected: bool = False
    ejections: int = 0
    backoff: int = 0  # how many base ejection times the next ejection lasts
    jitter_ms: int = 0
    ejected_at: float | None = None
    unejected_at: float | None = None


@record(frozen=False)
class Rates:
    """The success rates of one origin as of the last interval, as /clusters shows them."""

    hosts: dict[Address, float]
    average: float = UNKNOWN
    threshold: float = UNKNOWN


class Detector:
    """`spec` has outlier_detection."""

    def __init__(self, spec: Cluster, around: Surroundings) -> None:
        assert spec.outlier_detection is not None
        self.spec = spec
        self.settings: OutlierDetection = spec.outlier_detection
        self.monitors: dict[Address, Monitor] = {}
        self.rates = {origin: Rates({}) for origin in ORIGINS}
        self._by_id: dict[int, Monitor] = {}
        self._around = around
        self._active = 0  # hosts that are ejected
        self._waiting: dict[Address, Monitor] = {}  # hosts that have a backoff or are ejected
        for name in COUNTERS:
            around.count(f"outlier_detection.{name}", 0)
        self._show_active()
        self._timer: Entry | None = self._arm()

    # --- hosts ---

    def set_hosts(self, hosts: Iterable[tuple[Address, Counted]]) -> None:
        """These are the hosts now; those whose counters are the same go on as they were."""
        wanted = dict(hosts)
        for address, monitor in list(self.monitors.items()):
            if address not in wanted or wanted[address].id != monitor.counted.id:
                self._active -= monitor.ejected
                del self.monitors[address], self._by_id[monitor.counted.id]
                self._waiting.pop(address, None)
        for address, counted in wanted.items():
            if address not in self.monitors:
                self.monitors[address] = self._by_id[counted.id] = Monitor(address, counted)
        self._show_active()

    def stop(self) -> None:
        self._around.agenda.cancel(self._timer)
        self._timer = None
        self._active = 0
        self._show_active()

    def bits(self) -> dict[Address, int]:
        """The hosts that are ejected, with the bit that says so."""
        return {address: FAILED_OUTLIER for address, monitor in self._waiting.items() if monitor.ejected}

    # --- judging ---

    def run_reported(self, host_id: int, kind: str) -> None:
        """A run of failures of `kind` (RUNS) has reached its threshold."""
        monitor = self._by_id.get(host_id)
        if monitor is None or monitor.ejected:
            return
        self._count(f"ejections_detected_{kind}")
        self._eject(monitor, kind, ("eject_consecutive_event", {}))
        if kind == "consecutive_5xx":
            self._count("ejections_consecutive_5xx")
        monitor.counted.end_run(kind)

    def check_passed(self, address: Address) -> None:
        """An active check found the host healthy."""
        monitor = self._waiting.get(address)
        if monitor is not None and monitor.ejected and self.settings.successful_active_health_check_uneject_host:
            self._uneject(monitor)

    def _on_interval(self) -> None:
        now = self._around.agenda.clock()
        for monitor in list(self._waiting.values()):
            if monitor.ejected and self._time_is_over(monitor, now):
                self._uneject(monitor)
        done = self._around.sweep()
        self._judge_rates("external", [(host, totals[0], totals[1]) for host, totals in done])
        self._judge_rates("local", [(host, totals[2], totals[3]) for host, totals in done])
        self._decay(now)
        self._timer = self._arm()

    def _time_is_over(self, monitor: Monitor, now: float) -> bool:
        base, most = self._number("base_ejection_time_ms"), self._number("max_ejection_time_ms")
        assert monitor.ejected_at is not None
        return min(base * monitor.backoff, most) + monitor.jitter_ms <= round((now - monitor.ejected_at) * 1000)

    def _decay(self, now: float) -> None:
        """A host that stayed in since the last interval is trusted a little more."""
        interval = self._number("interval_ms")
        for address, monitor in list(self._waiting.items()):
            if monitor.ejected or monitor.unejected_at is None:
                continue
            if round((now - monitor.unejected_at) * 1000) >= interval:
                monitor.backoff = max(0, monitor.backoff - 1)
                if monitor.backoff == 0:
                    del self._waiting[address]

    def _judge_rates(self, origin: str, volumes: list[tuple[int, int, int]]) -> None:
        rates = self.rates[origin] = Rates({})
        least = self._number("success_rate_minimum_hosts"), self._number("failure_percentage_minimum_hosts")
        if len(self.monitors) < min(least):
            return
        wanted = self._number("success_rate_request_volume"), self._number("failure_percentage_request_volume")
        known: list[tuple[Monitor, int, float]] = []
        for host_id, total, errors in volumes:
            monitor = self._by_id.get(host_id)
            if monitor is None or monitor.ejected or total == 0:
                continue
            rate = (total - errors) * 100.0 / total
            known.append((monitor, total, rate))
            if total >= min(wanted):
                rates.hosts[monitor.address] = rate
        self._judge_success(origin, rates, [(host, rate) for host, total, rate in known if total >= wanted[0]], least[0])
        self._judge_failures(origin, [(host, rate) for host, total, rate in known if total >= wanted[1]], least[1])

    def _judge_success(self, origin: str, rates: Rates, hosts: list[tuple[Monitor, float]], least: int) -> None:
        if not hosts or len(hosts) < least:
            return
        rates.average, deviation = spread([rate for _, rate in hosts])
        rates.threshold = rates.average - deviation * self._number("success_rate_stdev_factor") / 1000.0
        for monitor, rate in hosts:
            if rate < rates.threshold:
                self._count("ejections_success_rate")
                self._count(f"ejections_detected_{RATES[origin]}")
                detail = {
                    "host_success_rate": int(rate), "cluster_average_success_rate": int(rates.average),
                    "cluster_success_rate_ejection_threshold": int(rates.threshold),
                }  # fmt: skip
                self._eject(monitor, RATES[origin], ("eject_success_rate_event", detail))

    def _judge_failures(self, origin: str, hosts: list[tuple[Monitor, float]], least: int) -> None:
        if not hosts or len(hosts) < least:
            return
        threshold = self._number("failure_percentage_threshold")
        for monitor, rate in hosts:
            if 100.0 - rate >= threshold:
                self._count(f"ejections_detected_{PERCENTAGES[origin]}")
                self._eject(monitor, PERCENTAGES[origin], ("eject_failure_percentage_event", {"host_success_rate": int(rate)}))

    # --- ejecting ---

    def _eject(self, monitor: Monitor, kind: str, detail: tuple[str, dict[str, Any]]) -> None:
        if monitor.ejected:
            # Two detectors may find fault with the same host in one interval.
            return
        share = 100.0 * (self._active + 1) / len(self.monitors)
        one = self.settings.always_eject_one_host and self._active == 0
        if share > min(100, self._number("max_ejection_percent")) and not one:
            self._count("ejections_overflow")
            return
        if kind in ("consecutive_5xx", "success_rate"):
            self._count("ejections_total")
        enforced = self._around.chance() * 100 < self._number(f"enforcing_{ENFORCING.get(kind, kind)}")
        if enforced:
            self._count("ejections_enforced_total")
            self._count(f"ejections_enforced_{kind}")
            self._set_ejected(monitor)
        self._log("EJECT", monitor, TYPES[kind], monitor.unejected_at, enforced=enforced, detail=detail)

    def _set_ejected(self, monitor: Monitor) -> None:
        monitor.ejected = True
        monitor.ejections += 1
        monitor.ejected_at = self._around.agenda.clock()
        monitor.jitter_ms = int(self._around.chance() * (self._number("max_ejection_time_jitter_ms") + 1))
        base, most = self._number("base_ejection_time_ms"), self._number("max_ejection_time_ms")
        if monitor.backoff * base < most + base:
            monitor.backoff += 1
        self._active += 1
        self._waiting[monitor.address] = monitor
        self._show_active()
        self._around.changed(monitor.address, FAILED_OUTLIER, 0)
        self._around.ejected(monitor.address)

    def _uneject(self, monitor: Monitor) -> None:
        monitor.ejected = False
        monitor.unejected_at = self._around.agenda.clock()
        self._active -= 1
        # Else a run that was nearly long enough would eject the host again at once.
        for kind in RUNS:
            monitor.counted.end_run(kind)
        self._show_active()
        self._around.changed(monitor.address, 0, FAILED_OUTLIER)
        self._log("UNEJECT", monitor, TYPES["consecutive_5xx"], monitor.ejected_at)

    # --- the rest ---

    def _number(self, name: str) -> int:
        """A setting, or what runtime says instead."""
        return self._around.runtime.integer(f"outlier_detection.{name}", getattr(self.settings, name))

    def _arm(self) -> Entry:
        return self._around.agenda.after(max(1, self._number("interval_ms")) / 1000, self._on_interval)

    def _count(self, name: str) -> None:
        self._around.count(f"outlier_detection.{name}", 1)

    def _show_active(self) -> None:
        self._around.gauge("outlier_detection.ejections_active", self._active)

    def _log(
        self, action: str, monitor: Monitor, kind: str, last: float | None, *, enforced: bool = False,
        detail: tuple[str, dict[str, Any]] | None = None,
    ) -> None:  # fmt: skip
        if self.settings.event_log_path:
            since = None if last is None else int(self._around.agenda.clock() - last)
            host = monitor.address.host if monitor.address.port < 0 else address_text(monitor.address)
            event = outlier_event(
                action, kind, self.spec.name, host, monitor.ejections, since, enforced=enforced, detail=detail
            )
            self._around.logs.write(self.settings.event_log_path, event)


def spread(values: list[float]) -> tuple[float, float]:
    """(mean, standard deviation of the population)."""
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


def address_text(address: Address) -> str:
    """host:port, brackets around an IPv6 address."""
    return f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"
