"""The Python face of the HTTP/2 codec, with the `h2` package as its peer and with itself: every event, everything that can be said."""

from __future__ import annotations

from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.codec import http2

GET = [(":method", "GET"), (":scheme", "http"), (":path", "/a?b"), (":authority", "host"), ("x-a", "b")]
POST = [(":method", "POST"), *GET[1:]]
HEAD = http2.RequestHead(1, b"GET", b"/a?b", b"host", b"http", b"", ((b"x-a", b"b"),))
CANCEL, REFUSED, PROTOCOL_ERROR = 8, 7, 1


class Peer:
    """A connection of the `h2` package that talks to one of ours."""

    def __init__(self, ours: http2.Connection, client: bool, connect: bool = False) -> None:
        self.ours = ours
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=client, header_encoding="utf-8"))
        if connect:
            self.h2.local_settings.enable_connect_protocol = 1
        self.h2.initiate_connection()
        self.talk()

    def talk(self, step: int | None = None) -> tuple[list[http2.Event], list[Any]]:
        """Lets both speak until both are silent: our events, but those of settings, and the peer's. `step`: bytes that we get at a time."""
        ours: list[http2.Event] = []
        theirs: list[Any] = []
        while True:
            to_us, to_them = self.h2.data_to_send(), self.ours.output()
            if not to_us and not to_them:
                return [event for event in ours if not isinstance(event, http2.Settings)], theirs
            for at in range(0, len(to_us), step or len(to_us) or 1):
                ours += self.ours.feed(to_us[at : at + (step or len(to_us))])
            theirs += self.h2.receive_data(to_them) if to_them else []


def of(events: list[Any], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def server(**options: Any) -> Peer:
    return Peer(http2.Connection("server", **options), client=True)


def client(**options: Any) -> Peer:
    return Peer(http2.Connection("client", **options), client=False)


def joined(events: list[http2.Event]) -> list[http2.Event]:
    """Neighbouring Data in one."""
    found: list[http2.Event] = []
    for event in events:
        if found and isinstance(event, http2.Data) and isinstance(last := found[-1], http2.Data) and last.stream == event.stream:
            found[-1] = http2.Data(event.stream, last.data + event.data)
        else:
            found.append(event)
    return found


def test_a_server_is_asked() -> None:
    peer = server()
    peer.h2.send_headers(1, GET, end_stream=True)
    assert peer.talk()[0] == [HEAD, http2.End(1)]
    assert peer.ours.streams == [1]


@pytest.mark.parametrize("step", [None, 1, 7])
def test_bytes_may_come_in_any_pieces(step: int | None) -> None:
    peer = server()
    peer.h2.send_headers(1, POST)
    peer.h2.send_data(1, b"some body", pad_length=3)
    peer.h2.send_headers(1, [("sum", "7")], end_stream=True)
    head = HEAD._replace(method=b"POST")
    assert joined(peer.talk(step)[0]) == [head, http2.Data(1, b"some body"), http2.Trailers(1, ((b"sum", b"7"),)), http2.End(1)]


def test_a_server_answers_with_interim_head_body_and_trailers() -> None:
    peer = server()
    peer.h2.send_headers(1, GET, end_stream=True)
    peer.talk()
    peer.ours.respond(1, 103, [(b"link", b"x")])
    peer.ours.respond(1, 200, [(b"x-c", b"d")])
    peer.ours.send(1, b"one ")
    peer.ours.send(1, bytearray(b"two"))
    peer.ours.trailers(1, [(b"grpc-status", b"0")])
    events = peer.talk()[1]
    assert of(events, h2.events.InformationalResponseReceived)[0].headers == [(":status", "103"), ("link", "x")]
    assert of(events, h2.events.ResponseReceived)[0].headers == [(":status", "200"), ("x-c", "d")]
    assert b"".join(event.data for event in of(events, h2.events.DataReceived)) == b"one two"
    assert of(events, h2.events.TrailersReceived)[0].headers == [("grpc-status", "0")]
    assert of(events, h2.events.StreamEnded)
    assert peer.ours.streams == []


def test_a_client_asks_and_is_answered() -> None:
    peer = client()
    stream = peer.ours.request(b"POST", b"/a", b"host", [(b"x-a", b"b")])
    peer.ours.send(stream, b"body", end=True)
    events = peer.talk()[1]
    assert of(events, h2.events.RequestReceived)[0].headers == [
        (":method", "POST"), (":authority", "host"), (":path", "/a"), (":scheme", "http"), ("x-a", "b"),
    ]  # fmt: skip
    assert of(events, h2.events.DataReceived)[0].data == b"body"
    peer.h2.send_headers(stream, [(":status", "103")])
    peer.h2.send_headers(stream, [(":status", "200"), ("x-c", "d")])
    peer.h2.send_data(stream, b"ok")
    peer.h2.send_headers(stream, [("sum", "7")], end_stream=True)
    answer = peer.talk()[0]
    assert answer == [
        http2.ResponseHead(stream, 103, ()),
        http2.ResponseHead(stream, 200, ((b"x-c", b"d"),)),
        http2.Data(stream, b"ok"),
        http2.Trailers(stream, ((b"sum", b"7"),)),
        http2.End(stream),
    ]
    assert [event.interim for event in answer if isinstance(event, http2.ResponseHead)] == [True, False]
    assert peer.ours.streams == []


def test_an_answer_may_be_its_head_alone() -> None:
    peer = client()
    stream = peer.ours.request(b"GET", b"/", b"a", end=True)
    peer.talk()
    peer.h2.send_headers(stream, [(":status", "204")], end_stream=True)
    assert peer.talk()[0] == [http2.ResponseHead(stream, 204, ()), http2.End(stream)]


def test_a_stream_that_the_peer_takes_back() -> None:
    peer = server()
    peer.h2.send_headers(1, POST)
    peer.h2.reset_stream(1, CANCEL)
    assert peer.talk()[0] == [HEAD._replace(method=b"POST"), http2.Reset(1, CANCEL, "")]
    assert peer.ours.streams == []


def test_a_stream_that_is_taken_back_here() -> None:
    peer = client()
    stream = peer.ours.request(b"POST", b"/", b"a")
    peer.talk()
    peer.ours.reset(stream)
    ours, theirs = peer.talk()
    assert ours == []
    assert of(theirs, h2.events.StreamReset)[0].error_code == CANCEL
    with pytest.raises(ValueError, match="not open"):
        peer.ours.send(stream, b"late")


def test_goaway_of_the_peer_refuses_what_it_has_not_seen() -> None:
    peer = client()
    first, second = (peer.ours.request(b"GET", b"/", b"a", end=True) for _ in range(2))
    peer.talk()
    peer.h2.close_connection(0, last_stream_id=first)
    events = peer.talk()[0]
    assert http2.Goaway(0) in events
    assert http2.Reset(second, REFUSED, "") in events
    assert peer.ours.streams == [first]
    with pytest.raises(ValueError, match="takes no more streams"):
        peer.ours.request(b"GET", b"/", b"a")


def test_goaway_said_here() -> None:
    peer = server()
    peer.ours.goaway(notice=True)
    peer.ours.goaway()
    said = of(peer.talk()[1], h2.events.ConnectionTerminated)
    assert [(event.error_code, event.last_stream_id) for event in said] == [(0, 2**31 - 1), (0, 0)]


def test_after_goaway_with_a_code_nothing_is_looked_at() -> None:
    peer = server()
    peer.ours.goaway(PROTOCOL_ERROR)
    assert of(peer.h2.receive_data(peer.ours.output()), h2.events.ConnectionTerminated)[0].error_code == PROTOCOL_ERROR
    assert peer.ours.feed(b"anything") == []


def test_a_ping_is_answered() -> None:
    peer = client()
    peer.ours.ping()
    assert peer.talk()[0] == [http2.Pong()]
    peer.h2.ping(b"12345678")
    assert of(peer.talk()[1], h2.events.PingAckReceived)


def test_settings_are_told() -> None:
    ours = http2.Connection("client")
    theirs = http2.Connection("server", max_streams=7)
    theirs.feed(ours.output())
    assert ours.feed(theirs.output()) == [http2.Settings(7)]
    assert ours.peer_max_streams == 7


def test_a_paused_stream_keeps_the_window_closed() -> None:
    peer = server(stream_window=65535, connection_window=1 << 20)
    peer.h2.send_headers(1, POST)
    peer.talk()
    peer.ours.pause(1)
    for _ in range(4):
        peer.h2.send_data(1, bytes(16000))
    peer.talk()
    assert peer.h2.local_flow_control_window(1) == 65535 - 64000
    peer.ours.resume(1)
    peer.talk()
    assert peer.h2.local_flow_control_window(1) > 64000


def test_a_body_waits_for_the_window_of_the_peer() -> None:
    peer = client()
    stream = peer.ours.request(b"POST", b"/", b"a")
    peer.ours.send(stream, bytes(100_000), end=True)
    got = sum(len(event.data) for event in of(peer.talk()[1], h2.events.DataReceived))
    assert (got, peer.ours.waiting(stream)) == (65535, 100_000 - 65535)
    peer.h2.acknowledge_received_data(65535, stream)
    assert sum(len(event.data) for event in of(peer.talk()[1], h2.events.DataReceived)) == 100_000 - 65535
    assert peer.ours.waiting(stream) == 0


def test_extended_connect() -> None:
    peer = Peer(http2.Connection("client"), client=False, connect=True)
    stream = peer.ours.request(b"CONNECT", b"/chat", b"a", protocol=b"websocket")
    head = dict(of(peer.talk()[1], h2.events.RequestReceived)[0].headers)
    assert head == {":method": "CONNECT", ":protocol": "websocket", ":path": "/chat", ":scheme": "http", ":authority": "a"}
    peer.h2.send_headers(stream, [(":status", "200")])
    peer.h2.send_data(stream, b"frame")
    assert peer.talk()[0] == [http2.ResponseHead(stream, 200, ()), http2.Data(stream, b"frame")]


def test_a_server_takes_extended_connect_if_it_may() -> None:
    ours, theirs = http2.Connection("server", allow_connect=True), http2.Connection("client")
    theirs.feed(ours.output())
    stream = theirs.request(b"CONNECT", b"/chat", b"a", protocol=b"websocket")
    events = ours.feed(theirs.output())
    assert http2.RequestHead(stream, b"CONNECT", b"/chat", b"a", b"http", b"websocket", ()) in events


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nx" * 9])
def test_what_is_no_http2_ends_the_connection(said: bytes) -> None:
    ours = http2.Connection("server")
    for _ in range(2):
        with pytest.raises(http2.ProtocolError) as caught:
            ours.feed(said)
        assert (caught.value.reason, caught.value.events) == ("protocol", [])


def test_what_came_before_an_error_is_told_and_so_is_the_peer() -> None:
    peer = server()
    peer.h2.send_headers(1, GET, end_stream=True)
    broken = peer.h2.data_to_send() + b"\0\0\1\0\0\0\0\0\0x"       # DATA on stream 0
    with pytest.raises(http2.ProtocolError) as caught:
        peer.ours.feed(broken)
    assert caught.value.events == [HEAD, http2.End(1)]
    assert of(peer.h2.receive_data(peer.ours.output()), h2.events.ConnectionTerminated)[0].error_code == PROTOCOL_ERROR


@pytest.mark.parametrize(
    ("fields", "body", "reason"),
    [([("content-length", "9")], b"four", "message"), ([("x-a", "b\0c")], b"", "field"), ([("x-n", "x" * 9000)], b"", "too many fields")],
)
def test_a_malformed_message_may_end_its_stream_alone(fields: list[tuple[str, str]], body: bytes, reason: str) -> None:
    peer = server(stream_errors=True, max_head_bytes=8192)
    peer.h2.config.validate_outbound_headers = False
    peer.h2.send_headers(1, [*POST, *fields], end_stream=not body)
    if body:
        peer.h2.send_data(1, body, end_stream=True)
    peer.h2.send_headers(3, GET, end_stream=True)
    events = peer.talk()[0]
    assert [event.reason for event in of(events, http2.Reset)] == [reason]
    assert HEAD._replace(stream=3) in events


def test_underscores_may_be_refused() -> None:
    peer = server(underscores="reject")
    peer.h2.send_headers(1, [*GET, ("a_b", "c")], end_stream=True)
    assert [event.reason for event in of(peer.talk()[0], http2.Reset)] == ["underscore"]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda c: c.request(b"G ET", b"/", b"a"),
        lambda c: c.request(b"GET", b"/ ", b"a"),
        lambda c: c.request(b"GET", b"/", b"a b"),
        lambda c: c.request(b"GET", b"/", b"a", [(b"x y", b"z")]),
        lambda c: c.request(b"GET", b"/", b"a", [(b"x", b"a\nb")]),
        lambda c: c.request(b"GET", b"/", b"a", [(b"x", b" a")]),
        lambda c: c.respond(1, 200),
        lambda c: c.send(9, b"x"),
        lambda c: c.goaway(notice=True),
    ],
)
def test_what_may_not_be_said_is_a_value_error(wrong: Any) -> None:
    with pytest.raises(ValueError):
        wrong(http2.Connection("client"))


@pytest.mark.parametrize("options", [{"underscores": "maybe"}, {"stream_window": 1}, {"connection_window": 1 << 31}])
def test_options_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises((ValueError, OverflowError)):
        http2.Connection("client", **options)
    with pytest.raises(ValueError, match="side"):
        http2.Connection("peer")  # type: ignore[arg-type]


def test_a_message_ends_once() -> None:
    ours = http2.Connection("client")
    stream = ours.request(b"POST", b"/", b"a")
    ours.send(stream, b"x", end=True)
    with pytest.raises(ValueError, match="takes no body"):
        ours.send(stream, b"y")
    with pytest.raises(ValueError, match="takes no body"):
        ours.trailers(stream, [])


def test_streams_that_are_over_are_forgotten() -> None:
    peer = server()
    for stream in range(1, 41, 2):
        peer.h2.send_headers(stream, [*GET, ("x-long", "y" * 3000)], end_stream=True)
        peer.talk()
        peer.ours.respond(stream, 204, end=True)
        peer.talk()
    assert peer.ours.streams == []


@settings(max_examples=40, deadline=None)
@given(bodies=st.lists(st.lists(st.binary(max_size=4000), max_size=3), min_size=1, max_size=3), step=st.integers(50, 9000))
def test_bodies_come_as_they_went_however_they_are_cut(bodies: list[list[bytes]], step: int) -> None:
    ours, theirs = http2.Connection("client"), http2.Connection("server")
    for body in bodies:
        stream = ours.request(b"POST", b"/", b"a")
        for piece in body:
            ours.send(stream, piece)
        ours.send(stream, end=True)
    got: dict[int, bytes] = {}
    ended = []
    while said := ours.output():
        for at in range(0, len(said), step):
            for event in theirs.feed(said[at : at + step]):
                if isinstance(event, http2.Data):
                    got[event.stream] = got.get(event.stream, b"") + event.data
                elif isinstance(event, http2.End):
                    ended.append(event.stream)
        ours.feed(theirs.output())
    assert [got.get(1 + 2 * n, b"") for n in range(len(bodies))] == [b"".join(body) for body in bodies]
    assert sorted(ended) == [1 + 2 * n for n in range(len(bodies))]
