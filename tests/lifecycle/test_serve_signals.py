"""Signals to `python -m mesh serve` while it works: nothing that has begun is lost, and the end is clean."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from mesh.testing import Serving, Upstream, Wire, bootstrap, connect, until

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

pytestmark = pytest.mark.slow


def write(path: Path, config: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(config))
    return path


class Held:
    """A script whose answers wait for `go`."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = threading.Event()

    def __call__(self, wire: Wire) -> None:
        wire.read_request()
        self.begun.set()
        self.go.wait(10)
        wire.send(OK)
        wire.ended()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_lets_the_request_in_flight_end_and_refuses_new_connections(number: signal.Signals, tmp_path: Path) -> None:
    held = Held()
    with Upstream(held) as up, Serving(write(tmp_path / "c.yaml", bootstrap(up.port))) as serving:
        port = serving.port()
        with connect(port) as client, connect(port) as idle:
            client.send(GET)
            assert held.begun.wait(10)
            serving.signal(number)
            serving.line("draining")
            assert idle.ended()
            with pytest.raises(ConnectionRefusedError):
                until(lambda: connect(port).close())
            held.go.set()
            message = client.read_response()
            assert (message.status, message.body, message.get("connection")) == (200, b"ok", "close")
        assert serving.ended() == 0
    assert "Traceback" not in serving.log


def test_a_request_whose_head_is_half_here_is_answered_while_draining(tmp_path: Path) -> None:
    with Upstream() as up, Serving(write(tmp_path / "c.yaml", bootstrap(up.port))) as serving:
        with connect(serving.port()) as client:
            client.send(GET)
            assert client.read_response().body == b"ok"
            client.send(GET[:10])
            # The second half follows only when the first one has been read and the drain has begun.
            threading.Event().wait(0.2)
            serving.signal(signal.SIGTERM)
            serving.line("draining")
            threading.Event().wait(0.1)
            client.send(GET[10:])
            message = client.read_response()
            assert (message.body, message.get("connection")) == (b"ok", "close")
        assert serving.ended() == 0


def test_a_busy_connection_is_told_to_close_and_not_cut(tmp_path: Path) -> None:
    """Its client cannot know yet: requests that are already on the way when the drain begins are answered."""
    with Upstream() as up, Serving(write(tmp_path / "c.yaml", bootstrap(up.port))) as serving:
        with connect(serving.port()) as client:
            client.send(GET)
            assert client.read_response().body == b"ok"
            serving.signal(signal.SIGTERM)
            closes = None
            while closes is None:
                client.send(GET)
                message = client.read_response()
                assert message.body == b"ok"
                closes = message.get("connection")
            assert closes == "close"
            assert client.ended()
        assert serving.ended() == 0


def test_the_drain_time_ends_what_does_not_end(tmp_path: Path) -> None:
    held = Held()
    with Upstream(held) as up, Serving(write(tmp_path / "c.yaml", bootstrap(up.port)), "--drain-time-s", "1") as serving:
        with connect(serving.port()) as client:
            client.send(GET)
            assert held.begun.wait(10)
            serving.signal(signal.SIGTERM)
            assert client.ended()
        assert serving.ended() == 0
        held.go.set()


def test_a_second_stop_signal_ends_at_once(tmp_path: Path) -> None:
    held = Held()
    with Upstream(held) as up, Serving(write(tmp_path / "c.yaml", bootstrap(up.port))) as serving:
        with connect(serving.port()) as client:
            client.send(GET)
            assert held.begun.wait(10)
            serving.signal(signal.SIGTERM)
            serving.line("draining")
            serving.signal(signal.SIGTERM)
            assert client.ended()
        assert serving.ended() in (128 + signal.SIGTERM, -signal.SIGTERM)
        held.go.set()


def test_an_unreadable_file_at_a_reload_keeps_the_old_configuration(tmp_path: Path) -> None:
    with Upstream() as up:
        path = write(tmp_path / "c.yaml", bootstrap(up.port))
        with Serving(path) as serving:
            port = serving.port()
            path.unlink()
            serving.signal(signal.SIGHUP)
            serving.line(r"c\.yaml")
            serving.line("old one stays")
            with connect(port) as client:
                client.send(GET)
                assert client.read_response().body == b"ok"
            serving.signal(signal.SIGTERM)
            assert serving.ended() == 0
    assert "Traceback" not in serving.log


def test_a_reload_onto_a_port_in_use_keeps_the_old_configuration(tmp_path: Path) -> None:
    with Upstream() as up:
        path = write(tmp_path / "c.yaml", bootstrap(up.port))
        with Serving(path) as serving:
            port = serving.port()
            changed = bootstrap(up.port)
            changed["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"] = up.port
            write(path, changed)
            serving.signal(signal.SIGHUP)
            serving.line("listener 'main'.*old one stays")
            with connect(port) as client:
                client.send(GET)
                assert client.read_response().body == b"ok"


def test_a_reload_with_a_log_that_cannot_be_opened_keeps_the_old_configuration(tmp_path: Path) -> None:
    with Upstream() as up:
        path = write(tmp_path / "c.yaml", bootstrap(up.port))
        with Serving(path) as serving:
            port = serving.port()
            before = serving.descriptors()
            for _ in range(3):
                write(path, bootstrap(up.port, log=str(tmp_path / "no" / "such" / "log")))
                serving.signal(signal.SIGHUP)
                serving.line("log.*old one stays")
            assert serving.descriptors() == before
            with connect(port) as client:
                client.send(GET)
                assert client.read_response().body == b"ok"


def test_a_log_that_cannot_be_opened_at_the_start_is_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "c.yaml", bootstrap(1, log=str(tmp_path / "no" / "log")))
    with Serving(path) as serving:
        assert serving.ended() == 1
    [line] = [line for line in serving.log.splitlines() if line.lower().startswith("error")]
    assert "no/log" in line
    assert "Traceback" not in serving.log


def test_a_rotated_log_is_opened_again_and_no_line_is_lost(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    rotated = tmp_path / "access.log.1"
    with Upstream() as up:
        path = write(tmp_path / "c.yaml", bootstrap(up.port, log=str(log), log_format="%REQ(:PATH)%\n"))
        with Serving(path) as serving:
            with connect(serving.port()) as client:
                for n in range(100):
                    client.send(b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n" % n)
                    assert client.read_response().status == 200
                    if n == 50:
                        log.rename(rotated)
                        serving.signal(signal.SIGUSR1)
                        serving.line("reopening logs")
                        until(log.exists)
            serving.signal(signal.SIGTERM)
            assert serving.ended() == 0
    lines = (rotated.read_text() + log.read_text()).split()
    assert sorted(lines) == sorted(f"/{n}" for n in range(100))
    assert log.read_text()
