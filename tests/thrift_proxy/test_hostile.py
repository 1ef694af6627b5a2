"""Bytes that nobody should send: cut at every place, changed, nested or sized beyond reason. Each ends its own connection and no other."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

import mesh
from mesh.codec import thrift
from mesh.codec.thrift import DecodeError, Message, Type
from tests.thrift_proxy.running import Running
from tests.thrift_proxy.talk import Client, Failing, Server, bootstrap, call, cluster, error_of, listener, route

pytestmark = pytest.mark.slow

WAYS = [(transport, protocol) for transport in ("framed", "unframed", "header") for protocol in ("binary", "compact")]
STRUCT = b"\x0c\x00\x01"
LIST_OF_LISTS = b"\x0f\x00\x01" + b"\x0f\x00\x00\x00\x01" * 1000
HOSTILE = {
    "nested structs": STRUCT * 5000,
    "nested lists": LIST_OF_LISTS,
    "a list of two thousand million": b"\x0f\x00\x01\x0c\x7f\xff\xff\xff",
    "a list of less than nothing": b"\x0f\x00\x01\x08\xff\xff\xff\xff",
    "a string of two gigabytes": b"\x0b\x00\x01\x7f\xff\xff\xff",
    "a map of what does not exist": b"\x0d\x00\x01\x05\x05\x00\x00\x00\x01\x00",
    "a type that does not exist": b"\x63\x00\x01\x00",
    "no end": b"\x08\x00\x01\x00\x00\x00\x07",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture(scope="module")
def proxy(server: Server) -> Iterator[mesh.Proxy]:
    """What comes in is converted where it can be: nothing passes unread."""
    clusters = [cluster("compact", server.port, transport="framed", protocol="compact"), cluster("any", server.port)]
    converting = listener("converting", 0, [route("compact")])
    passing = listener("passing", 0, [route("any")])
    with mesh.Proxy(bootstrap([converting, passing], clusters), concurrency=1) as running:
        yield running


@pytest.fixture(scope="module")
def bystander(proxy: mesh.Proxy) -> Iterator[Client]:
    with Client(proxy.listeners["converting"].port) as client:
        yield client


def unharmed(bystander: Client) -> None:
    reply = bystander.ask(call("add", 42))
    assert reply is not None and (reply.seqid, reply.fields) == (42, {0: (Type.I32, 7)})


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_payload_is_answered_and_ends_its_connection(proxy: mesh.Proxy, bystander: Client, payload: bytes) -> None:
    head = thrift.encode(call("add", 3, fields={}))[4:-1]
    message = head + payload
    with Client(proxy.listeners["converting"].port) as client:
        reply = client.ask(len(message).to_bytes(4, "big") + message)
        kind, text = error_of(reply)
        assert kind == 7 and text
        assert reply is not None and reply.seqid == 3
        assert client.closed()
    unharmed(bystander)


@pytest.mark.parametrize("size", [0, 1 << 31, (1 << 32) - 1, 17 << 20])
def test_a_frame_beyond_reason_is_not_waited_for(proxy: mesh.Proxy, bystander: Client, size: int) -> None:
    with Client(proxy.listeners["converting"].port) as client:
        client.send(size.to_bytes(4, "big") + thrift.encode(call("add"))[4:])
        assert client.closed()
    unharmed(bystander)


@pytest.mark.parametrize("way", WAYS, ids="_".join)
@pytest.mark.parametrize("name", ["converting", "passing"])
def test_a_call_that_is_cut_at_any_byte_harms_nobody(proxy: mesh.Proxy, bystander: Client, name: str, way: tuple[str, str]) -> None:
    raw = thrift.encode(call("add", 3, *way))
    for n in range(len(raw)):
        with Client(proxy.listeners[name].port) as client:
            client.send(raw[:n])
            client.wire.shutdown(1)
            assert client.closed()
    unharmed(bystander)


@pytest.mark.parametrize("way", WAYS, ids="_".join)
@pytest.mark.parametrize("name", ["converted", "passed"])
def test_a_reply_that_is_cut_at_any_byte_is_an_exception(way: tuple[str, str], name: str) -> None:
    raw = thrift.encode(Message("add", "reply", 0, {0: (Type.STRING, b"text")}, (), *way))
    other = "compact" if way[1] == "binary" else "binary"
    down = ("framed", other if name == "converted" else way[1])
    with Failing() as host, Running([route("up")], [cluster("up", host.port, transport=way[0], protocol=way[1])]) as proxy:
        for n in range(len(raw)):
            host.says = raw[:n]
            with proxy.client(*down) as client:
                kind, text = error_of(client.ask(call("add", 3, *down)))
                assert kind == 6 and text.startswith("connection failure before response"), n
                assert client.closed()
        host.says = raw
        with proxy.client(*down) as client:
            reply = client.ask(call("add", 3, *down))
            assert reply is not None and reply.fields == {0: (Type.STRING, b"text")}


@pytest.mark.parametrize("seed", range(4))
def test_changed_bytes_harm_nobody(proxy: mesh.Proxy, bystander: Client, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(100):
        raw = bytearray(thrift.encode(call("add", 3, *chance.choice(WAYS))))
        for _ in range(chance.randint(1, 4)):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        with Client(proxy.listeners["converting"].port) as client:
            client.send(bytes(raw))
            client.wire.shutdown(1)
            try:
                while client.read() is not None:
                    pass
            except DecodeError:
                pass
    unharmed(bystander)


def test_nothing_is_left_over(proxy: mesh.Proxy, bystander: Client) -> None:
    unharmed(bystander)
    bystander.wire.close()
    proxy.stop()
    assert proxy.live_objects() == 0
