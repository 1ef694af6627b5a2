"""Scenarios under load: CPU microseconds of the proxy per request, from the kernel's accounts before and after.

A short load warms the peer (connections to the upstream, tables, allocator), then the measured one follows on the
same process. `others_share` tells how much of the proxy's core was used by anything else in that time: a row with a
large one was made on a busy machine.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from bench import account, ask
from bench.failure import BenchFailure
from bench.load import wrk
from bench.load.wrk import Load, Outcome
from bench.peers.peer import Feature, Peer, Shape
from bench.scenarios.scenario import Sample, Stand
from bench.scenarios.serving import Serving, serving
from bench.upstream.origin import ADDRESSES, FILES, SMALL_BODY

WARM_SHARE = 0.25
WARM_MOST_S = 1.0


@dataclass(frozen=True)
class _Account:
    """The clock, the CPU time of the proxy, and the busy time of its core, at one moment."""

    wall_ns: int
    cpu_ns: int
    busy_ns: int

    @classmethod
    def now(cls, pids: list[int], core: int) -> "_Account":
        return cls(time.monotonic_ns(), account.cpu_ns(pids), account.core_busy_ns(core))


def under_load(stand: Stand, peer: Peer, place: Serving, connections: int, drive: Callable[..., Outcome]) -> Sample:
    """What the proxy spends while `drive(seconds=...)` loads it."""
    drive(seconds=min(WARM_MOST_S, stand.seconds * WARM_SHARE))
    pids = place.pids()
    before = _Account.now(pids, stand.cores.proxy)
    outcome = drive(seconds=stand.seconds)
    after = _Account.now(pids, stand.cores.proxy)
    if place.pids() != pids:
        raise BenchFailure(f"{peer.name} started or lost a process under load")
    if outcome.requests == 0:
        raise BenchFailure(f"{peer.name} answered no request; the load saw {outcome.errors or 'no error'}")
    cpu_ns, wall_ns = after.cpu_ns - before.cpu_ns, after.wall_ns - before.wall_ns
    metrics = {
        "us_per_request": cpu_ns / 1000 / outcome.requests,
        "rps": outcome.requests / outcome.seconds,
        "p50_us": float(outcome.p50_us),
        "p99_us": float(outcome.p99_us),
        "cpu_share": cpu_ns / wall_ns,
        "others_share": max(0, after.busy_ns - before.busy_ns - cpu_ns) / wall_ns,
    }
    return Sample(metrics, connections, outcome.requests, outcome.errors)


@dataclass(frozen=True)
class LoadScenario:
    """One load against one shape of configuration."""

    name: str
    title: str
    load: Load
    shape: Shape = field(default_factory=Shape)
    body_len: int = len(SMALL_BODY)
    needs: frozenset[Feature] = frozenset()
    baseline: str = ""
    also: Mapping[str, str] = field(default_factory=dict)
    headline: str = "us_per_request"
    unit: str = "us CPU / request"

    def measure(self, stand: Stand, peer: Peer) -> Sample:
        with serving(stand, peer, self.shape) as place:
            port, load_core = place.ports.listen, stand.cores.load
            if self.load.hosts == 0:
                self._check_body(peer, port)
            drive = partial(wrk.drive, self.load, port, core=load_core, folder=place.folder)
            return under_load(stand, peer, place, self.load.connections, drive)

    def _check_body(self, peer: Peer, port: int) -> None:
        status, body = ask.get(port, self.load.path)
        if status != 200 or len(body) != self.body_len:
            raise BenchFailure(
                f"{peer.name} answered {status} with {len(body)} bytes instead of 200 with {self.body_len}"
            )


def _virtual_hosts(name: str, title: str, shape: Shape, baseline: str) -> LoadScenario:
    load = Load(64, hosts=1000, routes=10)
    return LoadScenario(name, title, load, shape, needs=frozenset({Feature.ROUTES}), baseline=baseline)


def _policy(policy: str) -> LoadScenario:
    """A thousand hosts are asked for, so that a hash has something to spread."""
    name = f"lb_{policy.lower()}"
    title = f"{policy.lower().replace('_', ' ')} over {ADDRESSES} hosts"
    shape = Shape(policy=policy, endpoints=ADDRESSES)
    baseline = "" if policy == "ROUND_ROBIN" else "lb_round_robin"
    return LoadScenario(name, title, Load(64, hosts=1000), shape, needs=frozenset({Feature.POLICIES}), baseline=baseline)


def _resilience(name: str, title: str, what: str, baseline: str) -> LoadScenario:
    return LoadScenario(name, title, Load(64), Shape(resilience=what), needs=frozenset({Feature.POLICIES}), baseline=baseline)


SCENARIOS = (
    LoadScenario("get64", "small GET, 64 connections", Load(64)),
    LoadScenario("get1000", "small GET, 1,000 connections", Load(1000)),
    LoadScenario(
        "accesslog",
        "small GET, access log to a file",
        Load(64),
        Shape(access_log=True),
        needs=frozenset({Feature.ACCESS_LOG}),
        baseline="get64",
    ),
    LoadScenario("post4k", "4 KiB POST", Load(64, method="POST", body_bytes=4096)),
    LoadScenario("resp64k", "64 KiB response", Load(64, "/64k"), body_len=FILES["64k"]),
    LoadScenario("resp1m", "1 MiB response", Load(64, "/1m"), body_len=FILES["1m"]),
    _virtual_hosts("vhosts1", "1,000 hosts asked for, one route", Shape(), ""),
    _virtual_hosts("vhosts1000", "1,000 virtual hosts x 10 routes", Shape(hosts=1000, routes=10), "vhosts1"),
    _resilience("bare", "a route with no policy at all", "bare", ""),
    _resilience("resilience", "retries, hedging, breakers, outlier detection, all idle", "all", "bare"),
    *(_policy(policy) for policy in ("ROUND_ROBIN", "LEAST_REQUEST", "RING_HASH", "MAGLEV")),
)
