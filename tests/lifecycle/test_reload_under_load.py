"""Fifty new configurations while 32 connections ask without a pause: not one request fails."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from mesh.testing import Running, Upstream, bootstrap, running, until

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
CONNECTIONS = 32
RELOADS = 50


class Load:
    """Clients that keep their connection as long as the proxy lets them; what goes wrong is kept."""

    def __init__(self, p: Running) -> None:
        self.p = p
        self.port = p.port
        self.answered = 0
        self.failures: list[str] = []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(CONNECTIONS)]

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(15)

    def _run(self) -> None:
        from mesh.testing import connect

        client = connect(self.port)
        while not self.stop.is_set():
            try:
                client.send(GET)
                message = client.read_response()
            except Exception as error:
                self.failures.append(repr(error))
                client.close()
                client = connect(self.port)
                continue
            if message.status != 200 or message.body != b"ok":
                self.failures.append(message.start)
            self.answered += 1
            if message.get("connection") == "close":
                client.close()
                client = connect(self.port)
        client.close()


def other_route(n: int) -> dict[str, Any]:
    return {"route": {"timeout": f"{20 + n}s"}}


def other_listener(n: int) -> dict[str, Any]:
    return {"hcm": {"stream_idle_timeout": f"{100 + n}s"}}


@pytest.mark.slow
@pytest.mark.parametrize("concurrency", [1, 2])
@pytest.mark.parametrize("change", [other_route, other_listener])
def test_no_request_fails(change: Any, concurrency: int) -> None:
    with Upstream() as up, running(bootstrap(up.port), concurrency=concurrency) as p:
        with Load(p) as load:
            for n in range(RELOADS):
                seen = load.answered
                p.proxy.apply(bootstrap(up.port, **change(n)))
                until(lambda seen=seen: load.answered > seen + CONNECTIONS or load.failures)  # type: ignore[misc]
        assert load.failures == []
        assert load.answered > RELOADS * CONNECTIONS


@pytest.mark.slow
def test_no_request_fails_while_the_cluster_changes() -> None:
    with Upstream() as one, Upstream() as two, running(bootstrap(one.port)) as p:
        with Load(p) as load:
            for n in range(RELOADS):
                seen = load.answered
                ports = [(one.port,), (two.port,), (one.port, two.port)][n % 3]
                config = bootstrap(*ports)
                if n % 2:
                    config["static_resources"]["clusters"][0]["connect_timeout"] = f"{n}s"
                p.proxy.apply(config)
                until(lambda seen=seen: load.answered > seen + CONNECTIONS or load.failures)  # type: ignore[misc]
        assert load.failures == []
        assert one.connections and two.connections
