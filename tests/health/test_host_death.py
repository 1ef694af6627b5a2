"""Hosts that die and come back under load: with retries no idempotent request fails, and both are seen in the configured time."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from mesh.testing import Running, bootstrap, cluster, running, until
from tests.health.hosts import Host, check, flags, healthy_only, wait_flags

pytestmark = pytest.mark.slow

BOTH = pytest.mark.parametrize("io_uring", [True, False], ids=["io_uring", "epoll"])
CLIENTS = 3  # as many retries at once as the circuit breaker lets through
# Clients share the order of the hosts, so a retry may meet the dead one again until it is out: enough of them to outlast that.
POLICY = {"retry_on": "connect-failure,reset,5xx", "num_retries": 10, "retry_back_off": {"base_interval": "0.001s"}}
RETRIES = {"retry_policy": POLICY}


class Load:
    """Clients that ask one request after the other until the block ends."""

    def __init__(self, p: Running) -> None:
        self.statuses: dict[int, int] = {}
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, args=(p,)) for _ in range(CLIENTS)]

    def _ask(self, p: Running) -> None:
        with p.client() as wire:
            while not self._stop.is_set():
                wire.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                status = wire.read_response().status
                with self._lock:
                    self.statuses[status] = self.statuses.get(status, 0) + 1

    @property
    def answered(self) -> int:
        return sum(self.statuses.values())

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def some_more(load: Load, n: int = 200) -> None:
    seen = load.answered
    until(lambda: load.answered >= seen + n)


def died_and_came_back(extra: dict[str, Any], out: str, io_uring: bool) -> None:
    with Host() as mortal, Host() as one, Host() as other:
        up = cluster("up", mortal.port, one.port, other.port, **extra)
        with running(bootstrap(clusters=[up], route=RETRIES), io_uring=io_uring) as p, Load(p) as load:
            some_more(load)
            mortal.die()
            wait_flags(p, mortal, out)
            some_more(load)
            mortal.served = 0
            mortal.dead = False
            wait_flags(p, mortal, "healthy")
            until(lambda: mortal.served > 0)
            some_more(load)
        assert set(load.statuses) == {200}


@BOTH
def test_outlier_detection_takes_a_dead_host_out_and_in_again(io_uring: bool) -> None:
    settings = {"consecutive_5xx": 3, "base_ejection_time": "0.3s", "interval": "0.05s", "max_ejection_percent": 50}
    died_and_came_back(healthy_only(outlier_detection=settings), "/failed_outlier_check", io_uring)


@BOTH
def test_active_checks_take_a_dead_host_out_and_in_again(io_uring: bool) -> None:
    died_and_came_back(healthy_only(health_checks=[check()]), "/failed_active_hc", io_uring)


def test_an_ejection_lasts_as_long_as_configured() -> None:
    settings = {"consecutive_5xx": 1, "base_ejection_time": "1s", "interval": "0.05s", "max_ejection_percent": 50}
    with Host(500) as bad, Host() as good:
        up = cluster("up", bad.port, good.port, **healthy_only(outlier_detection=settings))
        with running(bootstrap(clusters=[up])) as p:
            until(lambda: p.get().status == 500)
            asked = time.monotonic()
            wait_flags(p, bad, "/failed_outlier_check")
            assert time.monotonic() - asked < 0.9
            until(lambda: flags(p, bad) == "healthy")
            assert 0.95 < time.monotonic() - asked < 4.0
