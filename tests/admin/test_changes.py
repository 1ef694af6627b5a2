"""Pages that change something: health, listeners, log levels, counters, the end of the process."""

from __future__ import annotations

import http.client
import logging
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import mesh
from tests.admin.asking import ANSWER_S, ask, bootstrap, cluster, endpoint, listener
from tests.admin.conftest import Ask


class KeptAlive:
    """A client that keeps its connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)
        self._connection.auto_open = 0
        self._connection.connect()

    def ask(self) -> tuple[int, str]:
        """(status, Connection header) of one more request."""
        self._connection.request("GET", "/")
        answer = self._connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("connection") or ""

    def ended(self) -> bool:
        """Waits until the proxy has closed the connection."""
        assert self._connection.sock is not None
        return self._connection.sock.recv(1) == b""

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def client(proxy: mesh.Proxy) -> Iterator[KeptAlive]:
    found = KeptAlive(proxy.listeners["inner"].port)
    assert found.ask() == (200, "")
    yield found
    found.close()


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S).close()
    except ConnectionRefusedError:
        return False
    return True


def await_refusal(port: int) -> None:
    """Until nobody listens any more: another thread stops the listener and tells nobody."""
    pause = threading.Event()
    for _ in range(500):
        if not accepts(port):
            return
        pause.wait(0.01)
    raise AssertionError(f"port {port} is still open")


# --- health ---


def test_a_failing_health_check_shows_everywhere_until_it_is_ok_again(get: Ask, post: Ask) -> None:
    assert (get("/ready").status, get("/ready").body) == (200, "LIVE\n")
    assert post("/healthcheck/fail").body == "OK\n"
    assert (get("/ready").status, get("/ready").body) == (503, "DRAINING\n")
    assert get("/server_info").json()["state"] == "DRAINING"
    assert get("/stats?filter=^server.(live|state)$").body == "server.live: 0\nserver.state: 1\n"
    assert post("/healthcheck/ok").body == "OK\n"
    assert (get("/ready").status, get("/ready").body) == (200, "LIVE\n")
    assert get("/stats?filter=^server.(live|state)$").body == "server.live: 1\nserver.state: 0\n"


def test_a_failing_health_check_sends_clients_away_with_their_next_response(proxy: mesh.Proxy, post: Ask, client: KeptAlive) -> None:
    idle, again = KeptAlive(proxy.listeners["inner"].port), KeptAlive(proxy.listeners["inner"].port)
    assert idle.ask() == (200, "")
    post("/healthcheck/fail")
    assert client.ask() == again.ask() == (200, "close")
    post("/healthcheck/ok")
    assert idle.ask() == (200, ""), "it said nothing meanwhile, so nobody told it"
    idle.close()
    again.close()


def test_a_listener_that_drains_for_changes_only_keeps_its_clients_when_the_health_check_fails() -> None:
    config = bootstrap()
    config["static_resources"]["listeners"][1]["drain_type"] = "MODIFY_ONLY"
    with mesh.Proxy(config, concurrency=1, drain_strategy="immediate") as proxy:
        client = KeptAlive(proxy.listeners["inner"].port)
        proxy.set_health(False)
        assert client.ask() == (200, "")
        proxy.drain_listeners()
        assert client.ask() == (200, "close")
        client.close()


def test_a_proxy_that_drains_stays_draining_whatever_the_health_check_says(proxy: mesh.Proxy, get: Ask, post: Ask) -> None:
    post("/healthcheck/fail")
    assert proxy.drain(5.0)
    post("/healthcheck/ok")
    assert (get("/ready").status, get("/ready").body) == (503, "DRAINING\n")


# --- listeners ---


def test_stopped_listeners_refuse_and_are_still_listed(proxy: mesh.Proxy, get: Ask, post: Ask, client: KeptAlive) -> None:
    ports = [at.port for at in proxy.listeners.values()]
    listed = get("/listeners").body
    assert post("/drain_listeners").body == "OK\n"
    assert not any(accepts(port) for port in ports)
    assert get("/listeners").body == listed
    assert get("/ready").status == 200
    assert client.ask() == (200, ""), "open connections live on"
    assert proxy.stats["listener_manager.listener_stopped"] == 2


def test_only_inbound_listeners_stop_when_asked(proxy: mesh.Proxy, post: Ask, client: KeptAlive) -> None:
    post("/drain_listeners?inboundonly")
    assert not accepts(proxy.listeners["inner"].port)
    assert accepts(proxy.listeners["main"].port)
    assert client.ask() == (200, ""), "open connections live on"
    assert proxy.stats["listener_manager.listener_stopped"] == 1
    post("/drain_listeners?inboundonly")
    assert proxy.stats["listener_manager.listener_stopped"] == 1


@pytest.mark.parametrize("which", ["", "?inboundonly"])
def test_a_stopped_listener_stays_stopped_when_a_configuration_is_applied(which: str, proxy: mesh.Proxy, post: Ask) -> None:
    port = proxy.listeners["inner"].port
    post(f"/drain_listeners{which}")
    changed = bootstrap()
    changed["static_resources"]["listeners"][1]["stat_prefix"] = "other"
    proxy.apply(changed)
    assert not accepts(port)
    del changed["static_resources"]["listeners"][1]
    proxy.apply(changed)
    assert list(proxy.listeners) == ["main"]


@pytest.mark.slow
def test_a_graceful_drain_lets_connections_end_and_stops_when_its_time_is_over() -> None:
    with mesh.Proxy(bootstrap(), concurrency=1, drain_time_s=1.0, drain_strategy="immediate") as proxy:
        port = proxy.listeners["inner"].port
        early, late = KeptAlive(port), KeptAlive(port)
        assert early.ask() == late.ask() == (200, "")
        assert ask(proxy.admin_address.port, "/drain_listeners?graceful", "POST").body == "OK\n"
        fresh = KeptAlive(port)
        assert fresh.ask() == early.ask() == (200, "close")
        await_refusal(port)
        assert late.ask() == (200, "close"), "it stays until it asks once more"
        assert proxy.state == "LIVE"
        for client in (early, late, fresh):
            client.close()


@pytest.mark.slow
def test_a_gradual_drain_ends_more_and_more_connections() -> None:
    def told(proxy: mesh.Proxy) -> int:
        count = 0
        for _ in range(50):
            client = KeptAlive(proxy.listeners["inner"].port)
            count += client.ask() == (200, "close")
            client.close()
        return count

    with mesh.Proxy(bootstrap(), concurrency=1, drain_time_s=1e6) as slow, mesh.Proxy(bootstrap(), concurrency=1, drain_time_s=1) as quick:
        slow.drain_listeners()
        quick.drain_listeners()
        shares = [told(quick)]
        while shares[-1] < 50:
            shares.append(told(quick))
            assert len(shares) < 1000
        assert shares[0] < 25
        assert any(5 < share < 45 for share in shares)
        assert told(slow) == 0


@pytest.mark.slow
def test_connections_of_a_replaced_listener_stay_until_the_drain_time_is_over() -> None:
    with mesh.Proxy(bootstrap(), concurrency=1, drain_time_s=0.5) as proxy:
        client = KeptAlive(proxy.listeners["inner"].port)
        assert client.ask()[0] == 200
        changed = bootstrap()
        changed["static_resources"]["listeners"][1]["stat_prefix"] = "other"
        proxy.apply(changed)
        assert client.ended()
        client.close()


@pytest.mark.slow
def test_a_graceful_drain_of_inbound_listeners_leaves_the_others(proxy: mesh.Proxy, post: Ask, client: KeptAlive) -> None:
    other = KeptAlive(proxy.listeners["main"].port)
    post("/drain_listeners?graceful&inboundonly")
    assert client.ask() == (200, "close")
    assert other.ask()[1] == ""
    other.close()
    await_refusal(proxy.listeners["inner"].port)
    assert accepts(proxy.listeners["main"].port)


def test_a_drain_that_skips_the_exit_never_stops_a_listener(
    proxy: mesh.Proxy, post: Ask, client: KeptAlive, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned: list[float] = []
    monkeypatch.setattr("mesh.timers.Timers.after", lambda _, seconds, __: planned.append(seconds))
    post("/drain_listeners?graceful&skip_exit")
    assert client.ask() == (200, "close")
    again = KeptAlive(proxy.listeners["inner"].port)
    assert again.ask() == (200, "close")
    again.close()
    assert planned == []
    post("/drain_listeners?graceful")
    assert planned == [proxy.drain_time_s], "the end that was not planned before"


def test_a_proxy_stops_in_the_middle_of_a_graceful_drain() -> None:
    with mesh.Proxy(bootstrap(), concurrency=1, drain_time_s=3600) as proxy:
        assert ask(proxy.admin_address.port, "/drain_listeners?graceful", "POST").status == 200
    assert proxy.live_objects() == 0
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("mesh-")]


def stuck(listening: socket.socket) -> dict[str, Any]:
    """The configuration with an inbound listener whose upstream takes requests and never answers."""
    config = bootstrap()
    resources = config["static_resources"]
    resources["clusters"].append(cluster("mute", [{"lb_endpoints": [endpoint("127.0.0.1", listening.getsockname()[1])]}]))
    resources["listeners"][1] = listener("inner", "inner", {"route": {"cluster": "mute", "timeout": "0s"}}, traffic_direction="INBOUND")
    return config


@pytest.mark.parametrize("way", ["/drain_listeners?inboundonly", "/healthcheck/fail", "apply"])
def test_a_proxy_stops_at_once_although_a_retired_listener_has_a_request_in_flight(way: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, mesh.Proxy(stuck(listening), concurrency=1) as proxy:
        listening.settimeout(ANSWER_S)
        with socket.create_connection(("127.0.0.1", proxy.listeners["inner"].port), timeout=ANSWER_S) as client:
            client.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            upstream, _ = listening.accept()
            assert upstream.recv(1) == b"G"
            if way == "apply":
                proxy.apply(bootstrap())
            else:
                assert ask(proxy.admin_address.port, way, "POST").status == 200
            stopping = threading.Thread(target=proxy.stop, daemon=True)
            stopping.start()
            stopping.join(2.0)
            assert not stopping.is_alive()
            upstream.close()
    assert proxy.live_objects() == 0


# --- the process log ---


@pytest.fixture
def levels() -> Iterator[None]:
    """The levels of mesh's loggers as they were."""
    loggers = [logging.getLogger(name) for name in ("mesh", "mesh.dns")]
    before = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


@pytest.mark.usefixtures("levels")
def test_levels_are_set_one_by_one_and_all_together(post: Ask) -> None:
    listed = post("/logging?level=error").body
    assert listed.startswith("active loggers:\n  ")
    assert "  main: error\n" in listed
    assert "  dns: error\n" in listed
    assert logging.getLogger("mesh").level == logging.ERROR
    listed = post("/logging?dns=debug").body
    assert "  dns: debug\n" in listed
    assert "  main: error\n" in listed
    listed = post("/logging?paths=main:trace,dns:off").body
    assert "  dns: off\n" in listed
    assert "  main: trace\n" in listed
    assert not logging.getLogger("mesh.dns").isEnabledFor(logging.CRITICAL)


@pytest.mark.usefixtures("levels")
@pytest.mark.parametrize("query", ["paths=dns:debug,nothing:info", "paths=dns:debug,main:loud", "level=debug&dns=debug", "dns=loud"])
def test_a_refused_request_changes_no_level(query: str, post: Ask) -> None:
    before = post("/logging?level=warning").body
    page = post(f"/logging?{query}")
    assert page.status == 400
    assert page.body.startswith("error: ")
    assert page.body.endswith(before)
    assert post("/logging").body == before


# --- counters and the end ---


def test_counters_begin_again_at_zero(proxy: mesh.Proxy, post: Ask, client: KeptAlive) -> None:
    assert client.ask()[0] == 200
    assert proxy.stats["http.inner.downstream_rq_total"] == 2
    post("/reset_counters")
    assert proxy.stats["http.inner.downstream_rq_total"] == 0
    assert proxy.stats["http.inner.downstream_cx_active"] == 1


def test_quitting_is_the_applications_business_unless_it_says_so(post: Ask) -> None:
    page = post("/quitquitquit")
    assert page.status == 503
    assert "application" in page.body


def test_quitting_calls_who_asked_for_it() -> None:
    asked = threading.Event()
    with mesh.Proxy(bootstrap(), concurrency=1, on_quit=asked.set) as proxy:
        assert ask(proxy.admin_address.port, "/quitquitquit", "POST").body == "OK\n"
        assert asked.wait(ANSWER_S)


def test_a_client_of_the_admin_interface_does_not_hold_up_a_drain(proxy: mesh.Proxy) -> None:
    scraper = http.client.HTTPConnection("127.0.0.1", proxy.admin_address.port, timeout=ANSWER_S)
    scraper.request("GET", "/ready")
    assert scraper.getresponse().read() == b"LIVE\n"
    assert proxy.drain(5.0)
    scraper.close()
