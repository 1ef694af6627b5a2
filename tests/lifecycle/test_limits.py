"""What the system runs out of: descriptors and memory. A clear error, and the service goes on."""

from __future__ import annotations

import os
import resource
import socket
import threading
from pathlib import Path

import pytest
import yaml

from mesh.testing import Serving, Upstream, Wire, bootstrap, connect, until

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
FILES = 64
MIB = 1 << 20

pytestmark = pytest.mark.slow


def refused(admin: Wire) -> int:
    """How many connections to the listener were dropped for want of a descriptor."""
    admin.send(b"GET /stats?filter=listener.*downstream_cx_no_descriptor HTTP/1.1\r\nhost: a\r\n\r\n")
    return sum(int(line.rpartition(b" ")[2]) for line in admin.read_response().body.splitlines())


def few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))


def test_without_descriptors_connections_are_dropped_and_the_service_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    with Upstream() as up:
        path.write_text(yaml.safe_dump(bootstrap(up.port, admin=True)))
        with Serving(path, prepare=few_files) as serving:
            port = serving.port()
            with connect(port) as steady, connect(serving.admin_port()) as admin:
                assert refused(admin) == 0
                steady.send(GET)
                assert steady.read_response().body == b"ok"
                crowd = [connect(port) for _ in range(2 * FILES)]
                dropped = 0
                for client in crowd:
                    try:
                        client.send(GET)
                        message = client.read_response()
                    except Exception:
                        dropped += 1
                        continue
                    # Accepted, but nothing is left to reach the upstream with.
                    assert message.status in (200, 503)
                assert dropped > 0
                steady.send(GET)
                assert steady.read_response().status == 200
                assert refused(admin) >= dropped
                for client in crowd:
                    client.close()
            until(lambda: serving.descriptors() < FILES // 2)
            with connect(port) as client:
                client.send(GET)
                assert client.read_response().body == b"ok"
    assert "Traceback" not in serving.log


def processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_connection_that_nobody_can_accept_does_not_spin_and_is_served_later(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    with Upstream() as up:
        path.write_text(yaml.safe_dump(bootstrap(up.port)))
        with Serving(path) as serving:
            port, pid = serving.port(), serving.process.pid
            with connect(port) as client:
                client.send(GET)
                assert client.read_response().body == b"ok"
            soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
            with connect(port) as client:
                client.send(GET)
                before = processor_s(pid)
                assert serving.line(r"\[warning\]\[worker\] no file descriptor is left: \d+ connections were refused")
                # Not even the reserve helps below this limit: nothing can happen but that it tries again.
                client.socket.settimeout(1.0)
                with pytest.raises(TimeoutError):
                    client.socket.recv(1)
                assert processor_s(pid) - before < 0.3
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
                client.socket.settimeout(10.0)
                assert client.read_response().body == b"ok"
    assert serving.log.count("no file descriptor") == 1


def test_a_slow_reader_does_not_grow_memory(tmp_path: Path) -> None:
    """Eight clients ask for 64 MiB each and read nothing for a while."""
    size = 64 * MIB

    def script(wire: Wire) -> None:
        wire.read_request()
        try:
            wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
            for _ in range(size // MIB):
                wire.send(b"x" * MIB)
        except OSError:
            pass

    path = tmp_path / "c.yaml"
    with Upstream(script, limit=30) as up:
        path.write_text(yaml.safe_dump(bootstrap(up.port, per_connection_buffer_limit_bytes=256 * 1024)))
        with Serving(path, limit=60) as serving:
            port = serving.port()
            before = serving.resident_kib()
            clients = [connect(port, receive_buffer=8192) for _ in range(8)]
            for client in clients:
                client.send(GET)
                client.read_until(b"\r\n\r\n")
            assert len(clients[0].read_exactly(size)) == size
            grown = serving.peak_kib() - before
            for client in clients:
                client.close()
            # Eight watermarks, the pools that serve them, and one read on top of each.
            assert grown < 8 * (256 + 512) + 8 * 1024


def test_a_slow_upstream_does_not_grow_memory(tmp_path: Path) -> None:
    size = 64 * MIB
    go = threading.Event()

    def script(wire: Wire) -> None:
        wire.read_until(b"\r\n\r\n")
        go.wait(20)
        left = size
        while left:
            left -= len(wire.read_exactly(min(left, MIB)))
        wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        wire.ended()

    path = tmp_path / "c.yaml"
    with Upstream(script, receive_buffer=8192, limit=30) as up:
        path.write_text(yaml.safe_dump(bootstrap(up.port, per_connection_buffer_limit_bytes=256 * 1024)))
        with Serving(path, limit=60) as serving, connect(serving.port(), limit=30) as client:
            before = serving.resident_kib()
            client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % size)

            def upload() -> None:
                for _ in range(size // MIB):
                    client.send(b"y" * MIB)

            sender = threading.Thread(target=upload)
            sender.start()
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MIB)
            threading.Event().wait(0.5)
            assert sender.is_alive(), "64 MiB went somewhere although the upstream reads nothing"
            go.set()
            assert client.read_response().body == b"ok"
            sender.join()
            # The cluster's own watermark is Envoy's default of 1 MiB.
            assert serving.peak_kib() - before < 8 * 1024


def test_ten_thousand_connections_leave_a_small_process(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    with Upstream() as up:
        path.write_text(yaml.safe_dump(bootstrap(up.port)))
        with Serving(path, limit=60) as serving:
            port = serving.port()
            before = serving.resident_kib()
            for _ in range(10_000):
                connect(port).reset()
            with connect(port) as client:
                client.send(GET)
                assert client.read_response().body == b"ok"
            assert serving.resident_kib() - before < 4 * 1024
