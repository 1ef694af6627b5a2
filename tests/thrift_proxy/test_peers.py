"""Real clients and servers on both sides of the proxy: Apache's library and thriftpy2, over every pair of ways, converting or not."""

from __future__ import annotations

import contextlib
import itertools
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
import thriftpy2
from thrift.protocol.TMultiplexedProtocol import TMultiplexedProtocol
from thrift.Thrift import TApplicationException
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TTransportException
from thriftpy2.protocol import TBinaryProtocolFactory, TCompactProtocolFactory, TMultiplexedProtocolFactory
from thriftpy2.rpc import make_client
from thriftpy2.thrift import TApplicationException as PyApplicationException
from thriftpy2.thrift import TProcessor
from thriftpy2.transport import TBufferedTransportFactory, TFramedTransportFactory
from thriftpy2.transport import TSocket as PySocket

import mesh
from tests.codec_thrift.apache import protocol_over
from tests.codec_thrift.generated import SERVICE, generate
from tests.codec_thrift.shapes import PAIRS
from tests.thrift_proxy.talk import LIMIT_S, bootstrap, cluster, listener

pytestmark = pytest.mark.slow

Way = tuple[str, str]
PY_TRANSPORTS = {"framed": TFramedTransportFactory(), "unframed": TBufferedTransportFactory()}
PY_PROTOCOLS = {
    "binary": TBinaryProtocolFactory(),
    "binary/non-strict": TBinaryProtocolFactory(strict_read=False, strict_write=False),
    "compact": TCompactProtocolFactory(),
}
PY_WAYS: list[Way] = list(itertools.product(PY_TRANSPORTS, PY_PROTOCOLS))


class Peer:
    """A server on threads; `serve` has one connection."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self._serve = serve
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._run, args=(self.listener.accept()[0],), daemon=True).start()

    def _run(self, wire: socket.socket) -> None:
        with wire, contextlib.suppress(OSError, EOFError, TTransportException, thriftpy2.transport.TTransportException):
            self._serve(wire)


class Handler:
    def __init__(self, types: Any) -> None:
        self.types = types
        self.notes: queue.Queue[str] = queue.Queue()

    def find(self, id: int, name: str) -> Any:
        if name == "Eve":
            raise self.types.Unknown(name=name)
        return self.types.Person(id=id, name=name, weight=61.5, tags=["a", "b"], scores={"chess": -1}, active=True)

    def ping(self) -> None:
        pass

    def note(self, text: str) -> None:
        self.notes.put(text)


def apache_server(service: ModuleType, handler: Handler, way: Way) -> Peer:
    def serve(wire: socket.socket) -> None:
        transport = TSocket()
        transport.setHandle(wire)
        protocol = protocol_over(transport, *way)
        processor = service.Processor(handler)
        while True:
            processor.process(protocol, protocol)

    return Peer(serve)


def thriftpy_server(service: Any, handler: Handler, way: Way) -> Peer:
    def serve(wire: socket.socket) -> None:
        protocol = PY_PROTOCOLS[way[1]].get_protocol(PY_TRANSPORTS[way[0]].get_transport(PySocket(sock=wire)))
        processor = TProcessor(service, handler)
        while True:
            processor.process(protocol, protocol)

    return Peer(serve)


def named(way: Way) -> str:
    return f"{way[0]}_{way[1].replace('/', '_')}"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return generate(tmp_path_factory.mktemp("generated"))


@pytest.fixture(scope="module")
def python_service() -> Any:
    return thriftpy2.load(str(SERVICE), module_name="directory_thrift")


@pytest.fixture(scope="module")
def apache(service: ModuleType) -> Handler:
    return Handler(service)


@pytest.fixture(scope="module")
def python(python_service: Any) -> Handler:
    return Handler(python_service)


@pytest.fixture(scope="module")
def proxy(service: ModuleType, python_service: Any, apache: Handler, python: Handler) -> Iterator[mesh.Proxy]:
    """A listener for each way, clusters for each way of each library, reached by the name of a multiplexed service; and clusters that
    answer nothing, each for a reason of its own."""
    servers = {f"apache_{named(way)}": (apache_server(service, apache, way), way) for way in PAIRS}
    servers |= {f"python_{named(way)}": (thriftpy_server(python_service.Directory, python, way), way) for way in PY_WAYS}
    clusters = [cluster(name, peer.port, transport=way[0], protocol=way[1]) for name, (peer, way) in servers.items()]
    routes = [{"match": {"service_name": name}, "route": {"cluster": name, "strip_service_name": True}} for name in servers]
    routes += [{"match": {"service_name": name}, "route": {"cluster": name}} for name in ("lost", "empty", "full", "gone")]
    no_room = {"circuit_breakers": {"thresholds": [{"max_connections": 0, "max_pending_requests": 0}]}}
    hangs_up = Peer(lambda wire: None)
    clusters += [cluster("empty"), cluster("full", hangs_up.port, **no_room), cluster("gone", hangs_up.port)]
    listeners = [listener(named(way), 0, routes, *way) for way in PAIRS]
    with mesh.Proxy(bootstrap(listeners, clusters), concurrency=1) as running:
        yield running
    for peer in (*(peer for peer, _ in servers.values()), hangs_up):
        peer.listener.close()


@contextlib.contextmanager
def apache_client(proxy: mesh.Proxy, service: ModuleType, way: Way, to: str) -> Iterator[Any]:
    transport = TSocket("127.0.0.1", proxy.listeners[named(way)].port)
    transport.setTimeout(LIMIT_S * 1000)
    transport.open()
    try:
        yield service.Client(TMultiplexedProtocol(protocol_over(transport, *way), to))
    finally:
        transport.close()


@contextlib.contextmanager
def thriftpy_client(proxy: mesh.Proxy, service: Any, way: Way, to: str) -> Iterator[Any]:
    client: Any = make_client(
        service.Directory,
        "127.0.0.1",
        proxy.listeners[named(way)].port,
        proto_factory=TMultiplexedProtocolFactory(PY_PROTOCOLS[way[1]], to),  # type: ignore[arg-type]
        trans_factory=PY_TRANSPORTS[way[0]],
        timeout=int(LIMIT_S * 1000),
    )
    try:
        yield client
    finally:
        client.close()


def works(client: Any, types: Any, handler: Handler, who: str) -> None:
    person = client.find(7, "Ada")
    assert (person.id, person.name, person.weight, person.tags) == (7, "Ada", 61.5, ["a", "b"])
    assert (person.scores, person.active) == ({"chess": -1}, True)
    with pytest.raises(types.Unknown) as caught:
        client.find(7, "Eve")
    assert caught.value.name == "Eve"
    client.ping()
    client.note(who)
    assert handler.notes.get(timeout=LIMIT_S) == who


@pytest.mark.parametrize("up", PAIRS, ids=named)
@pytest.mark.parametrize("down", PAIRS, ids=named)
def test_apaches_client_calls_apaches_server(proxy: mesh.Proxy, service: ModuleType, apache: Handler, down: Way, up: Way) -> None:
    with apache_client(proxy, service, down, f"apache_{named(up)}") as client:
        works(client, service, apache, f"{down} {up}")


@pytest.mark.parametrize("up", PY_WAYS, ids=named)
@pytest.mark.parametrize("down", PAIRS, ids=named)
def test_apaches_client_calls_a_server_of_thriftpy2(proxy: mesh.Proxy, service: ModuleType, python: Handler, down: Way, up: Way) -> None:
    with apache_client(proxy, service, down, f"python_{named(up)}") as client:
        works(client, service, python, f"{down} {up}")


@pytest.mark.parametrize("up", PAIRS, ids=named)
@pytest.mark.parametrize("down", PY_WAYS, ids=named)
def test_a_client_of_thriftpy2_calls_apaches_server(proxy: mesh.Proxy, python_service: Any, apache: Handler, down: Way, up: Way) -> None:
    with thriftpy_client(proxy, python_service, down, f"apache_{named(up)}") as client:
        works(client, python_service, apache, f"{down} {up}")


@pytest.mark.parametrize("up", PY_WAYS, ids=named)
@pytest.mark.parametrize("down", PY_WAYS, ids=named)
def test_a_client_of_thriftpy2_calls_its_own_server(proxy: mesh.Proxy, python_service: Any, python: Handler, down: Way, up: Way) -> None:
    with thriftpy_client(proxy, python_service, down, f"python_{named(up)}") as client:
        works(client, python_service, python, f"{down} {up}")


# What keeps a call from being answered, TApplicationException's number for it, and what it says.
EXCEPTIONS = pytest.mark.parametrize(
    ("to", "number", "says"),
    [
        ("nobody", TApplicationException.UNKNOWN_METHOD, "no route for method 'nobody:ping'"),
        ("lost", TApplicationException.INTERNAL_ERROR, "unknown cluster 'lost'"),
        ("empty", TApplicationException.INTERNAL_ERROR, "no healthy upstream for 'empty'"),
        ("full", TApplicationException.INTERNAL_ERROR, "too many connections"),
        ("gone", TApplicationException.INTERNAL_ERROR, "remote connection failure"),
    ],
)


@EXCEPTIONS
@pytest.mark.parametrize("down", PAIRS, ids=named)
def test_an_exception_of_the_proxy_is_raised_by_apaches_client(
    proxy: mesh.Proxy, service: ModuleType, down: Way, to: str, number: int, says: str
) -> None:
    with apache_client(proxy, service, down, to) as client:
        with pytest.raises(TApplicationException, match=says) as caught:
            client.ping()
        assert caught.value.type == number


@EXCEPTIONS
@pytest.mark.parametrize("down", PY_WAYS, ids=named)
def test_an_exception_of_the_proxy_is_raised_by_a_client_of_thriftpy2(
    proxy: mesh.Proxy, python_service: Any, down: Way, to: str, number: int, says: str
) -> None:
    with thriftpy_client(proxy, python_service, down, to) as client:
        with pytest.raises(PyApplicationException, match=says) as caught:
            client.ping()
        assert caught.value.type == number
