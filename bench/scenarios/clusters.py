"""Ten thousand clusters of ten hosts: the CPU until they serve, what each takes in memory, and how soon a new host of one is used.

The peer starts from the same bootstrap in binary protobuf, JSON and YAML, and with clusters of one host, and with none. Then, under load,
the file that names the hosts of one cluster is replaced again and again, between two upstreams that a request tells apart: the time from
the rename to the first answer of the new one is the update's.
"""

import os
import statistics
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from socketserver import BaseRequestHandler, ThreadingTCPServer

from bench import account, ask
from bench.load import wrk
from bench.load.wrk import Load
from bench.peers import bootstrap
from bench.peers.peer import Feature, Peer, Shape
from bench.running import await_ready
from bench.scenarios.scenario import Sample, Stand
from bench.scenarios.serving import Serving, is_ready, serving, started

APPLY_S = 10.0


@dataclass(frozen=True)
class ClustersScenario:
    """`clusters` of ten hosts each beside the one that serves; `updates` changes of the latter's host."""

    clusters: int = 10_000
    updates: int = 40
    load: Load = field(default_factory=lambda: Load(16))
    name: str = "clusters"
    title: str = "10,000 clusters of 10 hosts, from binary protobuf"
    headline: str = "ready_cpu_s"
    unit: str = "s CPU until ready"
    needs: frozenset[Feature] = frozenset({Feature.DISCOVERY})
    baseline: str = ""
    also: Mapping[str, str] = field(
        default_factory=lambda: {
            "json_cpu_s": "s CPU, from JSON",
            "yaml_cpu_s": "s CPU, from YAML",
            "cluster_kib": "KiB a cluster beside its hosts",
            "update_ms": "ms until a new host is used",
        }
    )

    def measure(self, stand: Stand, peer: Peer) -> Sample:
        whole = Shape(clusters=self.clusters, cluster_hosts=10, form="pb")
        binary, many = _start(stand, peer, whole)
        few = _start(stand, peer, replace(whole, cluster_hosts=1))[1]
        none = _start(stand, peer, replace(whole, clusters=0))[1]
        host_kib = (many - few) / 9 / self.clusters
        metrics = {
            "ready_cpu_s": binary,
            "json_cpu_s": _start(stand, peer, replace(whole, form="json"))[0],
            "yaml_cpu_s": _start(stand, peer, replace(whole, form="yaml"))[0],
            "host_kib": host_kib,
            "cluster_kib": (few - none) / self.clusters - host_kib,
        }
        took_ms: list[float] = []
        with serving(stand, peer, replace(whole, watched=True)) as place, _named("a") as first, _named("b") as second:

            def update_all() -> None:
                for turn in range(self.updates):
                    took_ms.append(_update(place, *((second, "b") if turn % 2 else (first, "a"))))

            outcome = wrk.drive(self.load, place.ports.listen, APPLY_S * 10, stand.cores.load, place.folder, update_all)
        metrics["update_ms"] = statistics.median(took_ms)
        metrics["update_max_ms"] = max(took_ms)
        return Sample(metrics, self.load.connections, outcome.requests)


def _start(stand: Stand, peer: Peer, shape: Shape) -> tuple[float, float]:
    """(seconds of CPU until it is ready, KiB it takes then)."""
    with started(stand, peer, shape) as place:
        await_ready(place.process, place.log, lambda: is_ready(peer, place), peer.name, 120.0)
        return account.cpu_ns(place.pids()) / 1e9, float(account.rss_kib(place.pids()))


def _update(place: Serving, port: int, name: str) -> float:
    """Gives the serving cluster another host; the milliseconds until it answers."""
    bootstrap.write_hosts(place.folder, port)
    began_ns = time.monotonic_ns()
    os.replace(place.folder / "hosts.new", place.folder / "hosts.json")
    wanted = name.encode()
    await_ready(place.process, place.log, lambda: _answer(place) == wanted, f"host {name}", APPLY_S)
    return (time.monotonic_ns() - began_ns) / 1e6


def _answer(place: Serving) -> bytes:
    with suppress(OSError, ValueError):
        return ask.get(place.ports.listen, "/name")[1]
    return b""


@contextmanager
def _named(name: str) -> Iterator[int]:
    """An upstream that answers every request with its name; gives its port."""
    reply = f"HTTP/1.1 200 OK\r\nContent-Length: {len(name)}\r\n\r\n{name}".encode()

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                while self.request.recv(65536):
                    self.request.sendall(reply)

    class Server(ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


SCENARIO = ClustersScenario()
