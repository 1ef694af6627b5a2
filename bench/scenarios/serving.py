"""One peer, configured and serving, for the length of a `with` block: what every scenario begins with.

Owns the peer's folder, ports and process. A peer counts as serving when its admin says ready (where it has one) and a
request came through it from the upstream, so that no scenario measures a proxy that answers errors.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import account, ask
from bench.peers.peer import Peer, Ports, Shape
from bench.running import Process, await_ready, free_port, running
from bench.scenarios.scenario import Stand

PROBE_HOST = "h0.example"
PROBE_PATH = "/r0"


@dataclass(frozen=True)
class Serving:
    """A started peer; `log` is its output."""

    process: Process
    ports: Ports
    folder: Path
    log: Path

    def pids(self) -> list[int]:
        return account.tree(self.process.pid)


@contextmanager
def started(stand: Stand, peer: Peer, shape: Shape) -> Iterator[Serving]:
    """Configures and executes a peer on the proxy's core; returns at once, before it serves."""
    folder = Path(tempfile.mkdtemp(prefix=f"{peer.name}-", dir=stand.folder))
    ports = Ports(free_port(), stand.upstream, free_port())
    log = folder / "output.log"
    argv = peer.configure(folder, ports, shape)
    try:
        with running(argv, stand.cores.proxy, log, peer.env) as process:
            yield Serving(process, ports, folder, log)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def serving(stand: Stand, peer: Peer, shape: Shape) -> Iterator[Serving]:
    """Like `started`, and returns when requests go through."""
    with started(stand, peer, shape) as place:
        await_ready(place.process, place.log, lambda: is_ready(peer, place) and _proxies(place), peer.name)
        yield place


def is_ready(peer: Peer, place: Serving) -> bool:
    """What a supervisor would ask: the admin's /ready where there is one, otherwise a request through the proxy."""
    return ask.answers(place.ports.admin, "/ready") if peer.has_admin else _proxies(place)


def _proxies(place: Serving) -> bool:
    return ask.answers(place.ports.listen, PROBE_PATH, PROBE_HOST)
