"""Everything at once, at random but from a seed: clients and upstreams that leave, stall and drip in the middle of anything,
over small buffers, few connections, retries and new configurations. Afterwards nothing is alive, every gauge is zero, and a
plain request is served.
"""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest

from mesh.testing import Ended, Running, Upstream, Wire, bootstrap, cluster, connect, running, until

CLIENTS = 8
EXCHANGES = 60
FAST = {"base_interval": "0.001s", "max_interval": "0.003s"}

pytestmark = pytest.mark.slow


def chunked(dice: random.Random, body: bytes) -> bytes:
    out = b""
    at = 0
    while at < len(body):
        n = dice.randint(1, max(1, len(body) // 3))
        piece = body[at : at + n]
        out += b"%x\r\n%s\r\n" % (len(piece), piece)
        at += n
    return out + b"0\r\n\r\n"


def a_body(dice: random.Random) -> bytes:
    return b"b" * dice.choice([0, 1, 10, 3000, 20_000, 150_000])


def part_of(dice: random.Random, data: bytes) -> bytes:
    """Mostly everything, sometimes a beginning."""
    return data if dice.random() < 0.7 else data[: dice.randint(0, len(data))]


def leave(dice: random.Random, wire: Wire) -> None:
    if dice.random() < 0.5:
        wire.reset()
    else:
        wire.close()


class WildUpstream:
    """A script with a seed of its own per connection."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.lock = threading.Lock()
        self.tame = False

    def __call__(self, wire: Wire) -> None:
        with self.lock:
            self.seed += 1
            dice = random.Random(self.seed)
        try:
            while True:
                if self.tame or dice.random() < 0.8:
                    wire.read_request()
                else:
                    wire.read_exactly(dice.randint(1, 60))
                    leave(dice, wire)
                    return
                data = self._answer(dice)
                sent = data if self.tame else part_of(dice, data)
                wire.send(sent, dice.choice([0, 0, 0, 1 + len(sent) // 7]))
                if len(sent) < len(data) or (not self.tame and dice.random() < 0.2):
                    leave(dice, wire)
                    return
        except (Ended, OSError):
            pass

    def _answer(self, dice: random.Random) -> bytes:
        body = a_body(dice)
        interim = b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\n" if dice.random() < 0.1 else b""
        status = 200 if self.tame else dice.choice([200, 200, 200, 404, 500, 503, 204, 304])
        head = interim + b"HTTP/1.1 %d X\r\n" % status
        if status in (204, 304):
            return head + b"\r\n"
        kind = dice.random()
        if kind < 0.45:
            return head + b"content-length: %d\r\n\r\n" % len(body) + body
        if kind < 0.9:
            return head + b"transfer-encoding: chunked\r\n\r\n" + chunked(dice, body)
        return head + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body


def request(dice: random.Random) -> tuple[str, bytes]:
    method = dice.choice(["GET", "GET", "HEAD", "POST", "PUT", "DELETE"])
    head = f"{method} /{dice.randint(0, 9)} HTTP/1.1\r\nhost: a\r\n".encode()
    if dice.random() < 0.1:
        head += b"connection: close\r\n"
    if method in ("POST", "PUT"):
        body = a_body(dice)
        if dice.random() < 0.5:
            return method, head + b"content-length: %d\r\n\r\n" % len(body) + body
        return method, head + b"transfer-encoding: chunked\r\n\r\n" + chunked(dice, body)
    return method, head + b"\r\n"


def wild_client(port: int, seed: int, failures: list[str]) -> None:
    dice = random.Random(seed)
    wire = connect(port, limit=15, receive_buffer=dice.choice([0, 4096]))
    for _ in range(EXCHANGES):
        method, data = request(dice)
        sent = part_of(dice, data)
        try:
            wire.send(sent, dice.choice([0, 0, 0, 1 + len(sent) // 5]))
            if len(sent) < len(data) or dice.random() < 0.1:
                leave(dice, wire)
                wire = connect(port, limit=15)
                continue
            message = wire.read_response(method)
            closed = message.get("connection") == "close" or not message.complete
        except TimeoutError:
            failures.append(f"seed {seed}: no answer to {data[:60]!r}")
            closed = True
        except (Ended, OSError):
            closed = True
        if closed:
            wire.close()
            wire = connect(port, limit=15)
    wire.close()


def config(*ports: int, limit: int, tries: int) -> dict[str, Any]:
    breaker = {"thresholds": [{"max_connections": limit, "max_pending_requests": 5, "max_retries": 2}]}
    policy = {"retry_on": "5xx,reset,connect-failure", "num_retries": tries, "retry_back_off": FAST, "per_try_timeout": "0.5s"}
    clusters = [cluster("up", *ports, circuit_breakers=breaker, per_connection_buffer_limit_bytes=16384)]
    hcm = {"delayed_close_timeout": "0.02s", "proxy_100_continue": True}
    return bootstrap(
        clusters=clusters,
        hcm=hcm,
        route={"timeout": "2s", "retry_policy": policy},
        per_connection_buffer_limit_bytes=16384,
    )


def gauges_at_rest(p: Running) -> bool:
    names = ("upstream_rq_active", "upstream_rq_pending_active")
    return all(p.up(name) == 0 for name in names) and p.down("downstream_rq_active") == 0


@pytest.mark.parametrize("concurrency", [1, 2])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_survives_the_storm(seed: int, concurrency: int) -> None:
    wild = WildUpstream(seed * 1_000_000)
    failures: list[str] = []
    with (
        Upstream(wild) as one,
        Upstream(wild) as two,
        running(config(one.port, two.port, limit=4, tries=2), concurrency=concurrency) as p,
    ):
        threads = [threading.Thread(target=wild_client, args=(p.port, seed * 100 + n, failures), daemon=True) for n in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for n in range(12):
            ports = [(one.port,), (two.port,), (one.port, two.port)][n % 3]
            p.proxy.apply(config(*ports, limit=3 + n // 6, tries=2 + n // 8))
            threads[n % CLIENTS].join(0.1)
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
        assert failures == []
        assert p.down("downstream_rq_completed") > CLIENTS * EXCHANGES // 2
        p.quiet()
        until(lambda: gauges_at_rest(p), "all gauges at rest")
        wild.tame = True
        one.close_connections()
        two.close_connections()
        until(lambda: p.up("upstream_cx_active") == 0, "the end of all upstream connections")
        assert p.get().status == 200
