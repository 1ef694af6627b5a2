"""What the tests of the Thrift proxy share: a bootstrap, servers whose methods misbehave on demand, and a client that says what it saw.

Nothing here knows which proxy stands between the two. Servers answer by the called name, so that a case is the name of a method.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

from mesh.codec import thrift
from mesh.codec.thrift import DecodeError, Decoder, Message, Trace, Type

PACKAGE = "type.googleapis.com/envoy.extensions.filters.network.thrift_proxy.v3."
LIMIT_S = 15.0
PROTOCOLS = {"auto": "AUTO_PROTOCOL", "binary": "BINARY", "binary/non-strict": "LAX_BINARY", "compact": "COMPACT", "twitter": "TWITTER"}
TRANSPORTS = {"auto": "AUTO_TRANSPORT", "framed": "FRAMED", "unframed": "UNFRAMED", "header": "HEADER"}


def address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def way(kind: str, transport: str = "auto", protocol: str = "auto") -> dict[str, Any]:
    return {"@type": PACKAGE + kind, "transport": TRANSPORTS[transport], "protocol": PROTOCOLS[protocol]}


def cluster(name: str, *ports: int, transport: str = "auto", protocol: str = "auto", **fields: Any) -> dict[str, Any]:
    hosts = [{"endpoint": {"address": address(port)}} for port in ports]
    options = {"envoy.filters.network.thrift_proxy": way("ThriftProtocolOptions", transport, protocol)}
    load = {"cluster_name": name, "endpoints": [{"lb_endpoints": hosts}]}
    return {"name": name, "load_assignment": load, "typed_extension_protocol_options": options, **fields}


def listener(
    name: str,
    port: int,
    routes: list[dict[str, Any]],
    transport: str = "auto",
    protocol: str = "auto",
    before: tuple[dict[str, Any], ...] = (),
    **fields: Any,
) -> dict[str, Any]:
    """`before`: network filters; `fields`: of the ThriftProxy."""
    table = {"name": name, "routes": routes, "validate_clusters": False}
    proxy = {**way("ThriftProxy", transport, protocol), "stat_prefix": name, "route_config": table, **fields}
    filters = [*({"name": f"before_{at}", "typed_config": one} for at, one in enumerate(before)), {"name": "thrift", "typed_config": proxy}]
    chain = {"filters": filters}
    return {"name": name, "address": address(port), "filter_chains": [chain]}


def route(to: str, method: str = "", **action: Any) -> dict[str, Any]:
    return {"match": {"method_name": method}, "route": {"cluster": to, **action}}


def bootstrap(listeners: list[dict[str, Any]], clusters: list[dict[str, Any]]) -> dict[str, Any]:
    return {"static_resources": {"listeners": listeners, "clusters": clusters}}


def call(name: str, seqid: int = 5, transport: str = "framed", protocol: str = "binary", **changes: Any) -> Message:
    """A call of `name` with one number as its argument."""
    return Message(name, "call", seqid, {1: (Type.I32, 7)}, (), transport, protocol)._replace(**changes)


# --- servers --------------------------------------------------------------------------------------------------------


class Server:
    """A server on a thread. `got` has every message in the order of arrival; `connections` how many there were."""

    def __init__(self, transport: str = "auto", protocol: str = "auto") -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.way = transport, protocol
        self.plain: tuple[str, ...] = ()  # methods that it answers like any other
        self.got: list[Message] = []
        self.arrived = threading.Condition()
        self.connections = 0
        self.released = threading.Event()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self.listener.close()
        for wire in self._open:
            wire.close()

    def wait_for(self, calls: int) -> None:
        """Until so many messages have arrived."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.got) >= calls, LIMIT_S)

    def _accept(self) -> None:
        while True:
            try:
                wire, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(wire)
            threading.Thread(target=self._serve, args=(wire,), daemon=True).start()

    def _serve(self, wire: socket.socket) -> None:
        decoder = Decoder(transport=self.way[0], protocol=self.way[1])  # type: ignore[arg-type]
        try:
            while data := wire.recv(1 << 16):
                for message in decoder.feed(data):
                    with self.arrived:
                        self.got.append(message)
                        self.arrived.notify_all()
                    if not self._answer(wire, message):
                        wire.close()
                        return
        except (OSError, DecodeError):
            pass
        wire.close()

    def _answer(self, wire: socket.socket, message: Message) -> bool:
        """Whether the connection goes on."""
        method = message.name.rpartition(":")[2]
        fields = {0: message.fields[1]} if 1 in message.fields else {}
        reply = message._replace(type="reply", fields=fields, trace=message.trace and Trace())
        if message.type == "oneway":
            return True
        if method in self.plain:
            wire.sendall(thrift.encode(reply))
            return True
        if method == "close":
            return False
        if method == "held":
            self.released.wait(LIMIT_S)
        raw = ANSWERS.get(method, thrift.encode)(reply)
        wire.sendall(raw)
        return method not in ("half", "some")


class Failing(Server):
    """Says `says` to every call, and hangs up."""

    says = b""

    def _answer(self, wire: socket.socket, message: Message) -> bool:
        wire.sendall(self.says)
        return False


ANSWERS: dict[str, Callable[[Message], bytes]] = {
    "err": lambda reply: thrift.encode(reply._replace(fields={1: (Type.STRUCT, {})})),
    "void": lambda reply: thrift.encode(reply._replace(fields={})),
    "exc": lambda reply: thrift.exception(reply, 6, "boom"),
    "half": lambda reply: thrift.encode(reply)[:10],
    "some": lambda reply: thrift.encode(reply)[:-3],
    "junk": lambda reply: b"HTTP/1.1 200 OK\r\n\r\n",
    "call": lambda reply: thrift.encode(reply._replace(type="call")),
    "other": lambda reply: thrift.encode(reply._replace(seqid=999, name="another")),
    "drain": lambda reply: thrift.encode(reply._replace(headers=((b":drain", b"true"), *reply.headers))),
}


# --- clients --------------------------------------------------------------------------------------------------------


class Client:
    """One connection. `read` gives the next message, or None when the proxy has closed."""

    def __init__(self, port: int, transport: str = "auto", protocol: str = "auto") -> None:
        self.wire = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
        self.decoder = Decoder(transport=transport, protocol=protocol)  # type: ignore[arg-type]
        self.waiting: list[Message] = []

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.wire.close()

    def send(self, *messages: Message | bytes) -> None:
        self.wire.sendall(b"".join(one if isinstance(one, bytes) else thrift.encode(one) for one in messages))

    def read(self) -> Message | None:
        while not self.waiting:
            try:
                data = self.wire.recv(1 << 16)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self.waiting += self.decoder.feed(data)
        return self.waiting.pop(0)

    def ask(self, message: Message | bytes) -> Message | None:
        self.send(message)
        return self.read()

    def try_ask(self, message: Message) -> Message | None:
        """The same; None too when the connection is no longer there to send on."""
        try:
            return self.ask(message)
        except (BrokenPipeError, ConnectionResetError):
            return None

    def closed(self) -> bool:
        return self.read() is None


def error_of(message: Message | None) -> tuple[int, str]:
    """(type, text) of an application exception."""
    assert message is not None and message.type == "exception", message
    return message.fields[2][1], message.fields[1][1].decode()
