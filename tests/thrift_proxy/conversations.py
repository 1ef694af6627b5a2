"""Conversations that a real Envoy and mesh must hold alike: who says what, through which listener, to servers that speak what.

A case names its ways, what its listener and cluster are given, and what the client does; it says nothing of what must come out. Servers
answer by the called name (talk.py).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mesh.codec import thrift
from mesh.codec.thrift import Message, Trace, Type
from tests.thrift_proxy.talk import Client, Server, call, route

Way = tuple[str, str]
Talk = Callable[["Side"], list[Any]]
WAYS: list[Way] = [(transport, protocol) for transport in ("framed", "unframed", "header") for protocol in ("binary", "compact")]
UPGRADE = "__can__finagle__trace__v3__"
NESTED = {
    1: (Type.STRUCT, {1: (Type.STRING, b"a"), 2: (Type.LIST, (Type.I64, [1, -1, 1 << 40])), 3: (Type.BOOL, True)}),
    2: (Type.MAP, (Type.STRING, Type.I32, [(b"k", -7)])),
    9: (Type.SET, (Type.BYTE, [1, 2, 3])),
}


@dataclass(frozen=True)
class Case:
    name: str
    talk: Talk
    down: Way = ("framed", "binary")  # of the client; the listener is told `listens`
    up: Way = ("auto", "auto")  # of the cluster
    listens: Way = ("auto", "auto")
    routes: tuple[dict[str, Any], ...] = ()  # before the one that leads to the cluster
    listener: dict[str, Any] = field(default_factory=dict)
    cluster: dict[str, Any] = field(default_factory=dict)
    speaks: Way = ("auto", "auto")  # the server
    labels: dict[str, str] = field(default_factory=dict)  # envoy.lb of its host
    before: tuple[dict[str, Any], ...] = ()  # network filters


@dataclass
class Side:
    """One proxy in one conversation."""

    case: Case
    port: int
    server: Server

    def client(self) -> Client:
        return Client(self.port, *self.case.down)

    def call(self, name: str, seqid: int = 5, **changes: Any) -> Message:
        return call(name, seqid, *self.case.down, **changes)


def seen(message: Message | None) -> Any:
    """What of a message must be the same."""
    return None if message is None else (message.name, message.type, message.seqid, message.fields, message.headers, message.trace)


def asks(*methods: str, **changes: Any) -> Talk:
    """One call after the other on one connection; then another, which shows whether it is still open."""
    return in_turn(*(of(name, 5 + i, **changes) for i, name in enumerate(methods)), last=5 + len(methods), **changes)


def in_turn(*build: Callable[[Side], Message], last: int = 77, **changes: Any) -> Talk:
    """The same with calls made elsewhere; `last` is the number of the one that shows."""

    def talk(side: Side) -> list[Any]:
        with side.client() as client:
            return [seen(client.try_ask(one(side))) for one in (*build, of("add", last, **changes))]

    return talk


def sends(*build: Callable[[Side], Message | bytes], replies: int) -> Talk:
    """Everything at once; so many replies in any order, then whether it is still open."""

    def talk(side: Side) -> list[Any]:
        with side.client() as client:
            client.send(*(one(side) for one in build))
            found = sorted((seen(client.read()) for _ in range(replies)), key=repr)
            return [*found, seen(client.try_ask(side.call("add", 77)))]

    return talk


def of(name: str, seqid: int = 5, **changes: Any) -> Callable[[Side], Message]:
    return lambda side: side.call(name, seqid, **changes)


def raw(change: Callable[[bytes], bytes], name: str = "add") -> Callable[[Side], bytes]:
    return lambda side: change(thrift.encode(side.call(name)))


def overtakes(seqid: int) -> Talk:
    """A second call while the first is under way."""

    def talk(side: Side) -> list[Any]:
        with side.client() as client:
            client.send(side.call("held"))
            side.server.wait_for(1)
            found = [seen(client.ask(side.call("add", seqid)))]
            side.server.released.set()
            return [*found, seen(client.read())]

    return talk


def leaves(*methods: str) -> Talk:
    """Goes while its calls are under way."""

    def talk(side: Side) -> list[Any]:
        with side.client() as client:
            client.send(*(side.call(name, i) for i, name in enumerate(methods)))
            side.server.wait_for(len(methods))
        return []

    return talk


def half_closes(side: Side) -> list[Any]:
    with side.client() as client:
        client.send(side.call("held"))
        side.server.wait_for(1)
        client.wire.shutdown(1)
        return [seen(client.read())]


def goes_mad(junk: bytes) -> Talk:
    """Bytes that are no Thrift while a call is under way."""

    def talk(side: Side) -> list[Any]:
        with side.client() as client:
            client.send(side.call("held"))
            side.server.wait_for(1)
            client.send(junk)
            reply = client.read()
            return [reply and (reply.name, reply.type, reply.seqid, reply.fields[2]), seen(client.read())]

    return talk


def upgrades(*methods: str) -> Talk:
    def talk(side: Side) -> list[Any]:
        with side.client() as client:
            found = [seen(client.ask(Message(UPGRADE, "call", 0, {}, (), *side.case.down)))]
            for name in methods:
                found.append(seen(client.try_ask(side.call(name, trace=Trace(1, 2), headers=((b":client-id", b"me"),)))))
            return found

    return talk


def broken(name: str, *build: Callable[[Side], Message | bytes], replies: int = 1, **fields: Any) -> Case:
    return Case(name, sends(*build, replies=replies), **fields)


KEEP_OPEN = {
    "thrift_filters": [
        {
            "name": "envoy.filters.thrift.router",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.thrift_proxy.router.v3.Router",
                "close_downstream_on_upstream_error": False,
            },
        }
    ]
}
LOST = (route("gone", "lost"),)
NO_HOST = {"load_assignment": {"cluster_name": "nobody"}}
NO_ROOM = {"circuit_breakers": {"thresholds": [{"max_pending_requests": 0}]}}
LAX = ("framed", "binary/non-strict")
HEADER = ("header", "binary")
KA = ((b"ka", b"v"), (b"x-more", b"2"))
STRIP = {"match": {"service_name": "people"}, "route": {"cluster": "strip", "strip_service_name": True}}
BY_HEADER = {"match": {"method_name": ""}, "route": {"cluster_header": "X-Cluster"}}
WEIGHTS = [{"name": "weighted", "weight": 1}, {"name": "weighted", "weight": 2}]
WEIGHTED = {"match": {"method_name": ""}, "route": {"weighted_clusters": {"clusters": WEIGHTS}}}
WEIGHTED_LOST = {"match": {"method_name": ""}, "route": {"weighted_clusters": {"clusters": [{"name": "gone", "weight": 1}]}}}
MATCHES = [{"name": "ka", "string_match": {"exact": "v"}}, {"name": "x-none", "present_match": True, "invert_match": True}]
BY_HEADERS = {"match": {"method_name": "add", "headers": MATCHES}, "route": {"cluster": "gone"}}
INVERTED = {"match": {"service_name": "people", "invert": True}, "route": {"cluster": "gone"}}
SUBSETS = {"lb_subset_config": {"fallback_policy": "NO_FALLBACK", "subset_selectors": [{"keys": ["v"]}]}}
IN_SUBSET = route("subset", "add", metadata_match={"filter_metadata": {"envoy.lb": {"v": "a"}}})
NOT_IN_SUBSET = route("subset", "q", metadata_match={"filter_metadata": {"envoy.lb": {"v": "b"}}})
PATHS = [
    Case(f"{down[0]}_{down[1]}_to_{up[0]}_{up[1]}", asks("add", "err", "exc", "void", fields=NESTED), down, up, speaks=up)
    for down, up in itertools.product(WAYS, WAYS)
]
MORE = [
    Case("lax", asks("add", "err"), LAX, listens=LAX),
    Case("lax_to_compact", asks("add"), LAX, ("framed", "compact"), LAX, speaks=WAYS[1]),
    Case("told_wrong", sends(of("add"), replies=0), listens=("framed", "compact")),
    Case("plain", asks("add", "add", "add")),
    Case("counted", asks("add"), listener={"payload_passthrough": True}),
    Case("counted_convert", asks("add"), up=("framed", "compact"), speaks=WAYS[1], listener={"payload_passthrough": True}),
    Case("headers", asks("add", headers=KA), HEADER),
    Case("headers_lost", asks("add", headers=KA), HEADER, ("framed", "binary")),
    Case("no_route", asks("nothing")),
    Case("no_cluster", asks("lost"), routes=LOST),
    Case("no_host", asks("nobody"), routes=(route("none", "nobody"),)),
    Case("no_listener", asks("nobody"), routes=(route("dead", "nobody"),)),
    Case("no_listener_open", asks("nobody"), routes=(route("dead", "nobody"),), listener=KEEP_OPEN),
    Case("no_cluster_header_transport", asks("lost"), HEADER, routes=LOST),
    Case("no_cluster_compact", asks("lost"), WAYS[3], routes=LOST),
    Case("hangs_up", asks("add", "close")),
    Case("hangs_up_open", asks("add", "close"), listener=KEEP_OPEN),
    Case("hangs_up_in_head", asks("half")),
    Case("hangs_up_in_payload", asks("some")),
    Case("answers_with_junk", asks("junk")),
    Case("answers_with_a_call", asks("call")),
    Case("answers_by_another_name", asks("other")),
    Case("oneway", sends(of("add", type="oneway"), of("add", 6), replies=1)),
    Case("oneway_lost", sends(of("lost", type="oneway"), replies=0), routes=LOST),
    Case("oneway_no_host", sends(of("add", type="oneway"), replies=0), cluster=NO_HOST),
    Case("oneway_no_listener", sends(of("nobody", type="oneway"), replies=0), routes=(route("dead", "nobody"),)),
    Case("oneway_no_room", sends(of("add", type="oneway"), replies=0), cluster=NO_ROOM),
    Case("no_host_of_its_own", asks("add"), cluster=NO_HOST),
    Case("no_route_open", asks("nothing"), listener=KEEP_OPEN),
    Case("no_cluster_open", asks("lost"), routes=LOST, listener=KEEP_OPEN),
    Case("no_host_open", asks("nobody"), routes=(route("none", "nobody"),), listener=KEEP_OPEN),
    Case("oneway_lost_open", sends(of("lost", type="oneway"), replies=0), routes=LOST, listener=KEEP_OPEN),
    Case("lost_open_unframed", asks("lost"), WAYS[2], routes=LOST, listener=KEEP_OPEN),
    Case("lost_open_converted", asks("lost", fields=NESTED), up=WAYS[1], routes=LOST, listener=KEEP_OPEN, speaks=WAYS[1]),
    Case("maintained", asks("add")),
    Case("maintained_header", asks("add", headers=KA), HEADER),
    Case("maintained_open", asks("add"), listener=KEEP_OPEN),
    Case("maintained_oneway", sends(of("add", type="oneway"), replies=0)),
    Case("two_at_once", overtakes(6)),
    Case("two_alike", overtakes(5)),
    Case("behind_a_failure", sends(of("lost", 5), of("add", 6), replies=1), routes=LOST),
    Case("last_call", asks("add", "add"), listener={"max_requests_per_connection": 2}),
    Case("no_room", asks("add"), cluster=NO_ROOM),
    Case("few_requests", asks("add"), cluster={"circuit_breakers": {"thresholds": [{"max_requests": 0}]}}),
    Case("short_lives", asks("add", "add"), cluster={"max_requests_per_connection": 1}),
    Case("upstream_drains", asks("drain"), HEADER),
    Case("strip", asks("people:add", "things:add"), routes=(STRIP,)),
    Case("by_header", asks("add", headers=((b"x-cluster", b"by_header"),)), HEADER, routes=(BY_HEADER,)),
    Case("by_missing_header", asks("add"), HEADER, routes=(BY_HEADER,)),
    Case("leaves", leaves("held", "held")),
    Case("half_closes", half_closes),
    Case("junk_behind_a_call", goes_mad(b"\xff\xff\xff\xff" * 8)),
    Case("http", sends(lambda side: b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", replies=0)),
    Case("no_name", asks("")),
    Case("long_name", asks("m" * 700)),
    Case("long_name_lost", asks("m" * 700), routes=(route("gone", "m" * 700),)),
    Case("odd_seqids", in_turn(of("add", -1), of("add", 0), of("add", -(1 << 31)), of("add", (1 << 31) - 1))),
    Case("says_drain", asks("add", headers=((b":drain", b"true"), *KA)), HEADER),
    Case("says_twice", asks("add", headers=((b"ka", b"1"), (b"ka", b"2"), (b"Ka", b"3"))), HEADER),
    Case("nothing_in_it", asks("add", fields={})),
    Case("weighted", asks("add", "err"), routes=(WEIGHTED,)),
    Case("weighted_lost", asks("add"), routes=(WEIGHTED_LOST,)),
    Case("by_headers", asks("add", headers=KA), HEADER, routes=(BY_HEADERS,)),
    Case("subset", asks("add", "q"), routes=(IN_SUBSET, NOT_IN_SUBSET), cluster=SUBSETS, labels={"v": "a"}),
    Case("inverted", asks("add", "err"), routes=(INVERTED,)),
    broken("no_message_type", raw(lambda data: data.replace(b"\x80\x01\0\x01", b"\x80\x01\0\x07")), replies=0),
    broken("frame_of_nothing", raw(lambda data: b"\0\0\0\0" + data[4:]), replies=0),
    broken("trailing_bytes", raw(lambda data: (len(data) - 3).to_bytes(4, "big") + data[4:] + b"\0")),
    Case("twitter", upgrades("add", "err"), ("framed", "twitter"), ("framed", "binary"), listens=("framed", "twitter")),
    Case("twitter_to_twitter", upgrades("add", "add"), ("framed", "twitter"), listens=("framed", "twitter"), speaks=("framed", "twitter")),
    Case("to_twitter", asks("add", "err"), up=("framed", "twitter"), speaks=("framed", "twitter")),
]
CASES = [*PATHS, *MORE]
