"""The configurations under examples/ do what their first lines say, on free ports; and Envoy accepts each of them."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mesh.codec.thrift import Type
from mesh.testing import Running, Upstream, Wire, connect, ok, running, until
from mesh.testing.wire import Ended
from tests.grpc_calls.service import Echo, channel, method, serving
from tests.peers.envoy import envoy_binary
from tests.thrift_proxy.talk import Client, Server, call

ROOT = Path(__file__).resolve().parents[2] / "examples"
CONFIGURATIONS = sorted(path.relative_to(ROOT) for path in [*ROOT.glob("*.yaml"), *ROOT.glob("*/envoy.yaml")] if path.name != "mesh.yaml")
pytestmark = pytest.mark.slow


def on_ports(text: str, *ports: int) -> str:
    """The same configuration on a free port, with hosts on `ports` instead of 9000 and 9001."""
    for wrong, right in zip(("port_value: 9000}", "port_value: 9001}"), ports, strict=False):
        text = text.replace(wrong, f"port_value: {right}}}")
    return text.replace("port_value: 10000}", "port_value: 0}")


@contextmanager
def example(folder: Path, name: str, *ports: int) -> Iterator[Running]:
    path = folder / "here.yaml"
    path.write_text(on_ports((ROOT / name).read_text(), *ports))
    with running(path) as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: relative paths of an example lead here."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def failing(wire: Wire) -> None:
    try:
        while wire.read_request():
            wire.send(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")
    except Ended:
        pass


def echo(wire: Wire) -> None:
    while data := wire.read_some():
        wire.send(data)


def make_certificates(folder: Path) -> None:
    script = ROOT / "mtls" / "certificates.sh"
    subprocess.run(["sh", str(script)], cwd=folder, check=True, timeout=60, capture_output=True)


def asked(port: int, trust: ssl.SSLContext) -> bytes:
    """The beginning of an answer over TLS; nothing when the proxy refuses the client."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
        try:
            with trust.wrap_socket(plain, server_hostname="localhost") as client:
                client.send(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
                return client.recv(1000)
        except (ssl.SSLError, ConnectionError):
            return b""


@pytest.mark.parametrize("name", CONFIGURATIONS, ids=str)
def test_envoy_accepts_it(name: Path, folder: Path) -> None:
    if name.parent.name == "mtls":
        make_certificates(folder)
    if name.parent.name == "watched":
        shutil.copy(ROOT / "watched" / "hosts.yaml", folder)
    command = [envoy_binary(), "--mode", "validate", "-c", str(ROOT / name), "-l", "error"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_a_host_that_fails_is_not_seen_by_clients(folder: Path) -> None:
    with Upstream(failing) as bad, Upstream(ok) as good, example(folder, "resilience.yaml", bad.port, good.port) as proxy:
        assert [proxy.get().status for _ in range(20)] == [200] * 20
        proxy.wait_stat("cluster.service.upstream_rq_retry_success", 1)


def test_each_key_has_five_requests(folder: Path) -> None:
    with Upstream() as up, example(folder, "rate_limit.yaml", up.port) as proxy:
        for key in ("one", "two"):
            answers = [proxy.get(x_api_key=key) for _ in range(6)]
            assert [answer.status for answer in answers] == [200] * 5 + [429]
            assert answers[-1].get("x-ratelimit-remaining") == "0"
        assert proxy.get().status == 200


def test_only_clients_of_the_authority_come_in_and_the_service_is_told_who(folder: Path) -> None:
    make_certificates(folder)

    def script(wire: Wire) -> None:
        up.note(wire.read_request())
        wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    with Upstream(script) as up, example(folder, "mtls/envoy.yaml", up.port) as proxy:
        trust = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        assert asked(proxy.port, trust) == b""
        trust.load_cert_chain(folder / "client.pem", folder / "client.key")
        assert asked(proxy.port, trust).startswith(b"HTTP/1.1 200")
        (request,) = up.requests
        assert (request.get("x-forwarded-client-cert") or "").endswith("URI=spiffe://example.org/client")


def test_grpc_calls_pass_and_are_counted_by_method(folder: Path) -> None:
    with serving(Echo()) as port, example(folder, "grpc.yaml", port) as proxy:
        with channel(proxy.port) as made:
            assert method(made, "Unary")(b"hello", timeout=20) == b"hello"
            assert list(method(made, "Chat", "stream_stream")(iter([b"a", b"b"]), timeout=20)) == [b"a", b"b"]
        proxy.wait_stat("cluster.service.grpc.test.Echo.Unary.success", 1)


def test_bytes_pass_both_ways(folder: Path) -> None:
    with Upstream(echo) as old, Upstream(echo) as new, example(folder, "tcp.yaml", old.port, new.port) as proxy:
        for _ in range(20):
            with connect(proxy.port) as client:
                client.send(b"select 1;")
                assert client.read_exactly(9) == b"select 1;"
        assert proxy.stat("tcp.database.downstream_cx_total") == 20
        assert len(old.connections) + len(new.connections) == 20


def test_thrift_calls_go_by_method_and_are_converted(folder: Path) -> None:
    with Server() as service, Server() as reports, example(folder, "thrift.yaml", service.port, reports.port) as proxy:
        with Client(proxy.port) as client:
            for seqid, name in enumerate(("add", "report")):
                reply = client.ask(call(name, seqid))
                assert reply is not None
                assert (reply.type, reply.protocol, reply.fields) == ("reply", "binary", {0: (Type.I32, 7)})
        assert [(message.name, message.protocol) for message in service.got] == [("add", "binary")]
        assert [(message.name, message.protocol) for message in reports.got] == [("report", "compact")]


def test_the_next_request_uses_hosts_that_are_moved_into_place(folder: Path) -> None:
    hosts = (ROOT / "watched" / "hosts.yaml").read_text()
    with Upstream() as first, Upstream() as second:
        (folder / "hosts.yaml").write_text(on_ports(hosts, first.port))
        with example(folder, "watched/envoy.yaml") as proxy:
            assert proxy.get().status == 200
            assert len(first.connections) == 1
            (folder / "new.yaml").write_text(on_ports(hosts, second.port))
            (folder / "new.yaml").rename(folder / "hosts.yaml")
            until(lambda: proxy.get().status == 200 and second.connections, "a request at the new host")
