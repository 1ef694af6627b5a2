"""Fuzz target: any bytes through a Thrift proxy, from its client or from its host.

The first byte of an input says who sends the rest, and whether what passes is converted. Whatever comes, the client gets a message or the
end of its connection; a reply that the codec understands arrives as it is; and when all inputs are through, nothing in the proxy is alive.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import mesh
from mesh.codec import thrift
from mesh.codec.thrift import DecodeError, Decoder, Message, Type
from tests.codec_thrift.shapes import exact
from tests.fuzz import fuzz_thrift
from tests.fuzz.properties import Kind
from tests.thrift_proxy.filtered import ALL, payload
from tests.thrift_proxy.talk import LIMIT_S, bootstrap, cluster, listener, route

WORDS = fuzz_thrift.WORDS
FROM_HOST, CONVERTING = 1, 2  # bits of the first byte
CALL = thrift.encode(Message("add", "call", 7, {1: (Type.I32, 7)}))
REPLY = thrift.encode(Message("add", "reply", 0, {0: (Type.I32, 7)}))
GREATEST = 1 << 16


class Host:
    """Says `says` to whoever says something, and hangs up; a thread for each connection."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.says = b""
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self.listener.accept()[0],), daemon=True).start()

    def _serve(self, wire: socket.socket) -> None:
        with wire, suppress(OSError):
            if wire.recv(GREATEST):
                wire.sendall(self.says)


class Stand:
    """The proxy of a run."""

    host: Host
    ports: tuple[int, int]  # passing on, converting


@contextmanager
def running() -> Iterator[None]:
    host = Stand.host = Host()
    clusters = [cluster("pass", host.port), cluster("convert", host.port, transport="framed", protocol="compact")]
    listeners = [listener("passing", 0, [route("pass")]), listener("converting", 0, [route("convert")], **payload(*ALL))]
    with mesh.Proxy(bootstrap(listeners, clusters), concurrency=1) as proxy:
        Stand.ports = proxy.listeners["passing"].port, proxy.listeners["converting"].port
        yield
    assert proxy.live_objects() == 0
    host.listener.close()


def seeds() -> list[bytes]:
    return [bytes([who]) + raw for who in range(4) for raw in fuzz_thrift.seeds()]


def heard(wire: socket.socket, wanted: int | None) -> tuple[list[Message], str]:
    """So many messages, or all until the connection ends, and how it ended."""
    decoder, found = Decoder(), []
    try:
        while data := wire.recv(GREATEST):
            found += decoder.feed(data)
            if len(found) == wanted:
                return found, "answered"
    except DecodeError as error:
        return found, error.error
    except ConnectionResetError:
        return found, "reset"
    return found, "closed"


def first_of(raw: bytes, **way: Any) -> Message | None:
    with suppress(DecodeError):
        if messages := Decoder(**way).feed(raw):
            return messages[0]
    return None


def is_lost(message: Message) -> bool:
    """The call met the end of the connection of the one before."""
    return message.type == "exception" and message.fields[1][1].startswith(b"connection failure")


def one(raw: bytes) -> Kind:
    who, rest = raw[0] if raw else 0, raw[1:]
    Stand.host.says = rest if who & FROM_HOST else REPLY
    with socket.create_connection(("127.0.0.1", Stand.ports[bool(who & CONVERTING)]), timeout=LIMIT_S) as wire:
        with suppress(BrokenPipeError, ConnectionResetError):
            wire.sendall(CALL if who & FROM_HOST else rest)
            if not who & FROM_HOST:
                wire.shutdown(socket.SHUT_WR)
        found, end = heard(wire, 1 if who & FROM_HOST else None)
    if who & FROM_HOST:
        # A payload that passes unread may be broken.
        assert end == "answered" or (not who & CONVERTING and end in thrift.ERRORS), (found, end)
        said = None if who & CONVERTING else first_of(rest, transport="framed", protocol="binary")
        if said is not None and said.type in ("reply", "exception") and not is_lost(found[0]):
            assert (found[0].type, exact(found[0].fields)) == (said.type, exact(said.fields))
    return who & 3, end, tuple((message.type, message.transport, message.protocol) for message in found[:3])
