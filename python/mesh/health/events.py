"""Event logs: one JSON object per line, as Envoy writes its HealthCheckEvent and OutlierDetectionEvent.

Lines are made here because the generated messages lack fields that Envoy 1.40 prints. A log is a file that is appended to and written at
once: an operator who watches it sees an ejection when it happens. On mesh.health's thread, which closes the logs when it ends.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import Any

from meshcore.bind.spec import Address, Endpoint

UNIX_PORT = -1
FAILURES = ("health_check_failure_event", "eject_unhealthy_event")
FIRST = ("add_healthy_event", "health_check_failure_event")
# Fields of HealthCheckEvent that come before the time, in the order of their numbers; the others come after it.
BEFORE_TIME = ("eject_unhealthy_event", "add_healthy_event")
AFTER_LOCALITY = ("successful_health_check_event",)


class EventLogs:
    """Open files by path."""

    def __init__(self) -> None:
        self._open: dict[str, int] = {}

    def write(self, path: str, event: dict[str, Any]) -> None:
        """Appends a line; a log that cannot be written loses it, the proxy goes on."""
        descriptor = self._open.get(path)
        try:
            if descriptor is None:
                descriptor = self._open[path] = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            os.write(descriptor, json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
        except OSError:
            return

    def reopen(self) -> None:
        """After a rotation: the next line goes to a new file."""
        self.close()

    def close(self) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()


def stamp(now: datetime | None = None) -> str:
    """A time as protobuf prints it: milliseconds, and none when there are none."""
    text = (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    return text.removesuffix(".000") + "Z"


def host_of(address: Address) -> dict[str, Any]:
    """envoy.config.core.v3.Address."""
    if address.port == UNIX_PORT:
        return {"pipe": {"path": address.host, "mode": 0}}
    return {
        "socket_address": {
            "protocol": "TCP", "address": address.host, "port_value": address.port, "resolver_name": "", "ipv4_compat": False,
            "network_namespace_filepath": "",
        }
    }  # fmt: skip


def check_event(
    kind: str, checker: str, cluster: str, endpoint: Endpoint, *, failure: str = "", first: bool = False, status: int = 0
) -> dict[str, Any]:
    """A HealthCheckEvent of `kind` (the name of its field)."""
    facts: dict[str, Any] = {}
    if kind in FAILURES:
        facts["failure_type"] = failure
    if kind in FIRST:
        facts["first_check"] = first
    if kind in FAILURES:
        facts["http_status_code"] = status
    event: dict[str, Any] = {"health_checker_type": checker, "host": host_of(endpoint.address), "cluster_name": cluster}
    if kind in BEFORE_TIME:
        event[kind] = facts
    event["timestamp"] = stamp()
    if kind not in BEFORE_TIME + AFTER_LOCALITY:
        event[kind] = facts
    if endpoint.metadata:
        event["metadata"] = {"filter_metadata": json.loads(endpoint.metadata), "typed_filter_metadata": {}}
    place = endpoint.locality
    event["locality"] = {"region": place.region, "zone": place.zone, "sub_zone": place.sub_zone}
    if kind in AFTER_LOCALITY:
        event[kind] = facts
    return event


def outlier_event(
    action: str, kind: str, cluster: str, host: str, ejections: int, since_s: int | None, *, enforced: bool = False,
    detail: tuple[str, dict[str, Any]] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """An OutlierDetectionEvent: EJECT or UNEJECT; `since_s`: since the last other action, None = there was none."""
    event: dict[str, Any] = {"type": kind, "timestamp": stamp()}
    if since_s is not None:
        event["secs_since_last_action"] = str(since_s)
    event |= {"cluster_name": cluster, "upstream_url": host, "action": action, "num_ejections": ejections, "enforced": enforced}
    if detail is not None:
        event[detail[0]] = detail[1]
    return event
