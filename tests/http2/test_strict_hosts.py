"""What a host says wrong costs it the stream or the connection, as with a real Envoy, and the client gets the same answer.

The answers are those of strict_answers.py: each has a cluster and so a connection of its own, and all are asked for at once.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from mesh.testing import bootstrap, cluster, connect, running
from tests.http2.envoy import envoy_with
from tests.http2.frames import LIMIT_S, PREFACE, SETTINGS, Talk, frame
from tests.http2.strict_answers import ANSWERS

pytestmark = pytest.mark.slow
NAMES = list(ANSWERS)
Outcomes = dict[str, tuple[str, str]]


class Hosts:
    """One port for all clusters: the path of a request says which answer it wants. `said`: what the proxy let the host know."""

    def __init__(self) -> None:
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=len(NAMES))
        self.port = self.sock.getsockname()[1]
        self.said: dict[str, str] = {}
        self.threads: list[threading.Thread] = []
        self.acceptor = threading.Thread(target=self.accept)
        self.acceptor.start()

    def accept(self) -> None:
        for _ in NAMES:
            connection, _ = self.sock.accept()
            self.threads.append(threading.Thread(target=self.serve, args=(connection,)))
            self.threads[-1].start()

    def serve(self, connection: socket.socket) -> None:
        with connection:
            talk = Talk(connection, len(PREFACE))
            while not talk.path and not talk.end:
                talk.read()
            name = NAMES[int(talk.path.removeprefix("/"))]
            talk.send(frame(SETTINGS) + ANSWERS[name])
            talk.until_seen()
            self.said[name] = talk.outcome

    def close(self) -> None:
        self.acceptor.join(LIMIT_S)
        for thread in self.threads:
            thread.join(LIMIT_S)
        self.sock.close()


def config(port: int) -> dict[str, Any]:
    routes = [{"match": {"path": f"/{n}"}, "route": {"cluster": f"c{n}", "timeout": "0s"}} for n in range(len(NAMES))]
    clusters = [cluster(f"c{n}", port, http2_protocol_options={}, connect_timeout="60s") for n in range(len(NAMES))]
    return bootstrap(clusters=clusters, routes=routes)


def ask(port: int, number: int) -> str:
    """The status, and whether the whole answer came; how much of one that is cut short passes is a race."""
    with connect(port, limit=2 * LIMIT_S) as client:
        client.send(f"GET /{number} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".encode())
        whole = client.read_all()
    head, _, body = whole.partition(b"\r\n\r\n")
    chunked = b"transfer-encoding: chunked" in head.lower()
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    complete = body.endswith(b"0\r\n\r\n") if chunked else len(body) == length
    return f"{head[9:12].decode()}, {'whole' if complete else 'cut short'}"


async def all_outcomes(port: int, hosts: Hosts) -> Outcomes:
    answers = await asyncio.gather(*(asyncio.to_thread(ask, port, number) for number in range(len(NAMES))))
    await asyncio.to_thread(hosts.close)
    return {name: (answer, hosts.said[name]) for name, answer in zip(NAMES, answers, strict=True)}


async def outcomes_of_envoy(directory: Path, hosts: Hosts) -> Outcomes:
    async with envoy_with(config(hosts.port), directory) as port:
        return await all_outcomes(port, hosts)


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    return asyncio.run(outcomes_of_envoy(tmp_path_factory.mktemp("envoy"), Hosts()))


@pytest.fixture(scope="module")
def ours() -> Outcomes:
    hosts = Hosts()
    with running(config(hosts.port)) as proxy:
        return asyncio.run(all_outcomes(proxy.port, hosts))


@pytest.mark.parametrize("name", NAMES)
def test_answers_are_taken_as_envoy_takes_them(name: str, ours: Outcomes, envoy: Outcomes) -> None:
    assert ours[name] == envoy[name]
