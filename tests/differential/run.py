"""Plays many cases against one proxy process and returns what was seen, whatever the proxy does.

One process carries a listener per case; all cases play at once, bounded by `jobs`. A config that is refused is narrowed
down (`refusal.py`) until the rest starts; a process that dies or hangs costs only the cases that were in flight,
each of which is then tried alone. Must not compare. Runs on the caller's loop; leaves no process or socket behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.differential.case import Case, speaks_http2
from tests.differential.client import RawClient
from tests.differential.config import Ports, build_bootstrap, log_path
from tests.differential.counters import named_counters, scopes_of
from tests.differential.observation import Observation, Side
from tests.differential.refusal import start_accepting
from tests.differential.signals import Signals
from tests.differential.upstream import ScriptedUpstream
from tests.peers.ports import PortReservation
from tests.peers.process import Peer, PeerHung

Starter = Callable[[Path, Path, int], Peer]
SETTLE_S = 3.0
SETTLE_STEP_S = 0.1
BLAME_S = 0.5
ROUNDS = 6


@dataclass
class Stage:
    """The live upstreams of one round, and what the round has seen so far."""

    cases: list[Case]
    ports: dict[str, Ports]
    upstreams: dict[str, list[ScriptedUpstream]]
    signals: dict[str, Signals]
    zero: float
    finished: dict[str, Observation] = field(default_factory=dict)
    in_flight: set[str] = field(default_factory=set)
    finished_at_s: dict[str, float] = field(default_factory=dict)

    def suspects(self, now_s: float) -> set[str]:
        """Cases that may have killed the process: those in flight, and those that its death has just ended."""
        return self.in_flight | {name for name, at_s in self.finished_at_s.items() if now_s - at_s < BLAME_S}


class ProxyRun:
    """All cases through one kind of proxy; the caller reserves `listeners`, so that both proxies get the same ports."""

    def __init__(self, start: Starter, directory: Path, listeners: dict[str, int], jobs: int = 32) -> None:
        self._start = start
        self._directory = directory
        self._listeners = listeners
        self._jobs = jobs
        self._round = 0
        self.refused: dict[str, str] = {}
        self.log_refused = ""

    async def play(self, cases: list[Case]) -> dict[str, Observation]:
        seen: dict[str, Observation] = {}
        pending = list(cases)
        alone: list[Case] = []
        for _ in range(ROUNDS):
            if not pending:
                break
            done, suspects, why = await self._round_of(pending)
            seen |= done
            pending = [case for case in pending if case.name not in seen and case.name not in suspects]
            alone += [case for case in cases if case.name in suspects]
            if suspects:
                # A dead process took its counters and log with it: what had finished plays again without the suspects.
                continue
            seen |= {case.name: Observation(failure=f"never played: {why}") for case in pending}
            pending = []
        for case in pending:
            seen[case.name] = Observation(failure="the proxy died in every round before this case could play")
        for case in alone:
            seen |= await self._alone(case)
        return seen

    async def _alone(self, case: Case) -> dict[str, Observation]:
        done, suspects, why = await self._round_of([case])
        return done if case.name not in suspects else {case.name: Observation(failure=why)}

    async def _round_of(self, cases: list[Case]) -> tuple[dict[str, Observation], set[str], str]:
        """(observations, names of cases in flight when the process died or hung, why)."""
        self._round += 1
        directory = self._directory / f"round{self._round}"
        directory.mkdir(parents=True)
        stage = self._stage(cases)
        done: dict[str, Observation] = {}
        try:
            peer, accepted, refused, with_log = await start_accepting(self, stage, directory)
            done |= {name: Observation(failure=f"refused: {why}") for name, why in refused.items()}
            if peer is None:
                return done, set(), "nothing was accepted"
            try:
                crashed = await self._play_all(peer, accepted, stage)
                if crashed:
                    return (
                        {name: done[name] for name in refused},
                        stage.suspects(asyncio.get_running_loop().time()),
                        crashed,
                    )
                stats = await self._settle(peer)
                # Before the stop: how the upstream connections end is part of what is compared.
                self._record_upstreams(stage, accepted)
            except (PeerHung, OSError) as error:
                why = await _why(peer, error)
                return {name: done[name] for name in refused}, {case.name for case in accepted}, why
            finally:
                await peer.stop()
            done |= self._collect(stage, accepted, stats, directory, with_log)
            return done, set(), ""
        finally:
            for upstreams in stage.upstreams.values():
                for upstream in upstreams:
                    await upstream.stop()

    def _stage(self, cases: list[Case]) -> Stage:
        zero = asyncio.get_running_loop().time()
        signals = {case.name: Signals() for case in cases}
        upstreams = {
            case.name: [
                ScriptedUpstream(name, script, signals[case.name], case.tunnel, zero, speaks_http2(case, "upstream"), _tls_of(case, name))
                for name, script in case.upstreams.items()
            ]
            for case in cases
        }
        ports = {
            name: Ports(self._listeners[name], {upstream.name: upstream.port for upstream in each})
            for name, each in upstreams.items()
        }
        for name, each in upstreams.items():
            for upstream in each:
                upstream.values = values_of(ports[name])
                upstream.start()
        return Stage(cases, ports, upstreams, signals, zero)

    async def start(self, cases: list[Case], stage: Stage, directory: Path, with_log: bool) -> Peer:
        """One attempt to start the proxy with these cases; raises PeerRefused."""
        with PortReservation() as reservation:
            admin_port = reservation.pick()
        bootstrap = directory / "bootstrap.json"
        bootstrap.write_text(json.dumps(build_bootstrap(cases, stage.ports, admin_port, directory, with_log), indent=1))
        peer = self._start(bootstrap, directory, admin_port)
        await peer.start()
        return peer

    async def _play_all(self, peer: Peer, cases: list[Case], stage: Stage) -> str:
        """Empty, or how the process died."""
        loop = asyncio.get_running_loop()
        slots = asyncio.Semaphore(self._jobs)
        tasks = {loop.create_task(self._play_one(case, stage, slots)) for case in cases}
        death = loop.create_task(peer.ended())
        while tasks and not death.done():
            finished, _ = await asyncio.wait(tasks | {death}, return_when=asyncio.FIRST_COMPLETED)
            for task in finished & tasks:
                task.result()
            tasks -= finished
        for task in tasks | {death}:
            task.cancel()
        await asyncio.gather(*tasks, death, return_exceptions=True)
        return "" if peer.running else _death(peer)

    async def _play_one(self, case: Case, stage: Stage, slots: asyncio.Semaphore) -> None:
        async with slots:
            stage.in_flight.add(case.name)
            ports = stage.ports[case.name]
            client = RawClient(case, ports.listener, stage.signals[case.name], values_of(ports), stage.zero)
            await client.play()
            stage.finished[case.name] = Observation(
                clients=[Side.of(connection) for connection in client.connections], unmet=client.unmet, ports=ports
            )
            stage.in_flight.discard(case.name)
            stage.finished_at_s[case.name] = asyncio.get_running_loop().time()

    async def _settle(self, peer: Peer) -> dict[str, int]:
        """The counters once two readings agree: closing connections are counted after we have seen them close."""
        loop = asyncio.get_running_loop()
        limit = loop.time() + SETTLE_S
        before: dict[str, int] = {}
        while True:
            after = parse_stats((await peer.admin("/stats?usedonly")).body.decode())
            compared = {
                name: value
                for name, value in after.items()
                if name.startswith(("http.", "cluster.")) and ".admin." not in name
            }
            if compared == before or loop.time() > limit:
                return after
            before = compared
            await asyncio.sleep(SETTLE_STEP_S)

    def _record_upstreams(self, stage: Stage, cases: list[Case]) -> None:
        for case in cases:
            upstreams = stage.upstreams[case.name]
            stage.finished[case.name].upstreams = {
                each.name: [Side.of(one) for one in each.connections] for each in upstreams
            }

    def _collect(
        self, stage: Stage, cases: list[Case], stats: dict[str, int], directory: Path, with_log: bool
    ) -> dict[str, Observation]:
        scopes = _scopes(stats)
        for case in cases:
            seen = stage.finished[case.name]
            path = log_path(directory, case.name)
            seen.log = (path.read_text(errors="replace") if path.exists() else "") if with_log or case.log else None
            seen.stats = {name: value for scope in scopes_of(case) for name, value in scopes.get(scope, {}).items()}
            seen.stats |= {name: stats.get(name, 0) for name in named_counters(case, stats)}
            sides = seen.clients + [side for each in seen.upstreams.values() for side in each]
            seen.given = b"".join(event.payload for side in sides for event in side.events if event.kind == "sent")
        return {case.name: stage.finished[case.name] for case in cases}


async def _why(peer: Peer, error: Exception) -> str:
    """A process that has just died is known to the loop a moment later than its closed sockets are."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(peer.ended(), 1.0)
    return f"hung: {error}" if peer.running else _death(peer)


def _death(peer: Peer) -> str:
    return f"crashed: the proxy ended with {peer.returncode} while this case played:\n{peer.output()[-3000:]}"


def _tls_of(case: Case, name: str) -> dict[str, Any] | None:
    """How an upstream of a case speaks TLS; None: not at all."""
    spec = (case.tls.get("up") or {}) if case.tls.keys() & {"up", "towards"} else None
    return None if spec is None or name not in spec.get("only", (name,)) else spec


def values_of(ports: Ports) -> dict[str, str]:
    """What `{{NAME}}` may stand for in the texts of a case; `session_` of an upstream is how a stateful session names it."""
    sessions = {f"session_{name}": b64encode(f"127.0.0.1:{port}".encode()).decode() for name, port in ports.upstreams.items()}
    return {"port": str(ports.listener)} | {f"port_{name}": str(port) for name, port in ports.upstreams.items()} | sessions


def _scopes(stats: dict[str, int]) -> dict[str, dict[str, int]]:
    """The counters by the first two parts of their names, such as `http.CASE`."""
    scopes: dict[str, dict[str, int]] = {}
    for name, value in stats.items():
        scopes.setdefault(".".join(name.split(".", 2)[:2]), {})[name] = value
    return scopes


def parse_stats(text: str) -> dict[str, int]:
    """Counters and gauges of the text form of /stats; histograms and text readouts are left out."""
    stats: dict[str, int] = {}
    for line in text.splitlines():
        name, _, value = line.rpartition(": ")
        if name and value.isdigit():
            stats[name] = int(value)
    return stats
