"""Statistics of the process and of its configuration: server.*, listener_manager.* and cluster_manager.*, by Envoy's names.

Only those that mesh can tell truthfully. Gauges are brought up to date by `refresh`, before statistics are shown and at each flush;
counters are added when a configuration has been published. Must not name a statistic for the first time from another thread than the
proxy's own: `refresh` is called once by `Proxy.start`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mesh import __version__
from mesh.publish import changes_chains_alone, changes_settings
from meshcore.bind.record import record, replace
from meshcore.bind.spec import Listener

if TYPE_CHECKING:
    from mesh.proxy import Proxy
    from meshcore.bind.stats import StatsRegistry

STATES = ("LIVE", "DRAINING", "PRE_INITIALIZING", "INITIALIZING")  # the place is the value of server.state
NO_CERTIFICATE = 2**32 - 1  # what Envoy says of a certificate's days when there is none
DAY_S = 24 * 3600
KIB = 1024
STATUS = "/proc/self/status"


@record
class Memory:
    """Bytes. `allocated`: anonymous memory in RAM; `heap`: that, and what was swapped out; `physical`: all in RAM, files included."""

    allocated: int
    heap: int
    physical: int


def memory() -> Memory:
    """What the kernel says of this process; zeros when no descriptor is left to ask with."""
    kib = dict.fromkeys(("RssAnon", "VmRSS", "VmSwap"), 0)
    with suppress(OSError), open(STATUS, encoding="ascii", errors="replace") as lines:
        for line in lines:
            name, _, rest = line.partition(":")
            if name in kib:
                kib[name] = int(rest.split()[0])
    allocated = kib["RssAnon"] * KIB
    return Memory(allocated, allocated + kib["VmSwap"] * KIB, kib["VmRSS"] * KIB)


def version_number() -> int:
    """server.version: Envoy puts a revision there; a release of mesh is major, minor and patch in a byte each."""
    major, minor, patch = (int(part) for part in __version__.split(".")[:3])
    return major << 16 | minor << 8 | patch


def refresh(proxy: Proxy) -> None:
    registry = proxy.registry
    state = proxy.server_state
    now = memory()
    for name, value in {
        "server.uptime": int(time.time() - proxy.started_at),
        "server.live": int(state == "LIVE"),
        "server.state": STATES.index(state) if state in STATES else STATES.index("DRAINING"),
        "server.concurrency": proxy.concurrency,
        "server.version": version_number(),
        "server.hot_restart_epoch": 0,
        "server.parent_connections": 0,
        "server.total_connections": proxy.open_connections(),
        "server.memory_allocated": now.allocated,
        "server.memory_heap_size": now.heap,
        "server.memory_physical_size": now.physical,
    }.items():
        registry.set_gauge(name, value)
    with proxy.published() as running:
        counts = len(running.listeners), len(running.clusters)
        running.forget_retired()
        certificate, response = running.first_ends()
    left = NO_CERTIFICATE if certificate is None else max(0, int(certificate - time.time())) // DAY_S
    registry.set_gauge("server.days_until_first_cert_expiring", left)
    left = 0 if response is None else max(0, int(response - time.time()))
    registry.set_gauge("server.seconds_until_first_ocsp_response_expiring", left)
    registry.set_gauge("listener_manager.total_listeners_active", counts[0])
    registry.set_gauge("listener_manager.workers_started", 1)
    registry.set_gauge("cluster_manager.active_clusters", counts[1])


def declare(registry: StatsRegistry) -> None:
    """Names the counters and the gauges that are there from the start, at 0."""
    for name in ("added", "modified", "removed", "create_success", "create_failure", "stopped", "in_place_updated"):
        registry.counter(f"listener_manager.listener_{name}")
    for name in ("added", "modified", "removed", "updated", "updated_via_merge"):
        registry.counter(f"cluster_manager.cluster_{name}")
    for name in ("static_unknown_fields", "dynamic_unknown_fields"):
        registry.counter(f"server.{name}")
    for name in ("listener_manager.total_listeners_warming", "cluster_manager.warming_clusters"):
        registry.set_gauge(name, 0)


def count_changes(proxy: Proxy, before: tuple[Mapping[str, Any], Mapping[str, Any]]) -> None:
    """Counts what a publication changed. `before`: what `specs` said before it."""
    listeners, clusters = specs(proxy)
    registry = proxy.registry
    for kind, old, new in (
        ("listener_manager.listener", before[0], listeners),
        ("cluster_manager.cluster", before[1], clusters),
    ):
        added = sum(name not in old for name in new)
        registry.add(f"{kind}_added", added)
        registry.add(f"{kind}_removed", sum(name not in new for name in old))
        modified = sum(name in old and is_another(old[name], spec) for name, spec in new.items())
        registry.add(f"{kind}_modified", modified)
        if kind.startswith("listener"):
            # One that changes is created anew, beside the one that drains.
            registry.add(f"{kind}_create_success", (added + modified) * proxy.concurrency)
            in_place = sum(name in old and changes_chains_alone(old[name], spec) for name, spec in new.items())
            registry.add(f"{kind}_in_place_updated", in_place)


def specs(proxy: Proxy) -> tuple[dict[str, Any], dict[str, Any]]:
    """({listener: spec}, {cluster: spec}) as they are published; routes that come from elsewhere are no part of a listener."""
    with proxy.published() as running:
        return (
            {name: _own(live.spec) for name, live in running.listeners.items()},
            {name: live.spec for name, live in running.clusters.items()},
        )


def is_another(old: Any, new: Any) -> bool:
    return old is not new and old != new and (isinstance(new, Listener) or changes_settings(old, new))


def _own(listener: Any) -> Any:
    return replace(listener, chains=tuple(map(_own_chain, listener.chains)))


def _own_chain(chain: Any) -> Any:
    return replace(chain, hcm=replace(chain.hcm, routes=None)) if chain.hcm is not None and chain.hcm.rds is not None else chain
