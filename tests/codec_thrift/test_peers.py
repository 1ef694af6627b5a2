"""The real libraries read what we write and write what we read: every transport in every protocol, all four types of messages."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from mesh.codec import thrift
from mesh.codec.thrift import Message, Type
from tests.codec_thrift import apache, thriftpy
from tests.codec_thrift.shapes import EVERYTHING, MESSAGES, PAIRS, WITH_UUID, call, exact

EACH_PAIR = pytest.mark.parametrize(("transport", "protocol"), PAIRS)
EACH_TYPE = pytest.mark.parametrize("type", ["call", "reply", "exception", "oneway"])
# The fields that need no types from an example, and no optional field of a struct in a list.
PY2 = {id: field for id, field in EVERYTHING.items() if id not in (40, 45)} | {
    40: (Type.STRUCT, {1: (Type.I32, 1), 2: (Type.STRUCT, {3: (Type.BOOL, False)})}),
    45: (Type.LIST, (Type.STRUCT, [{1: (Type.BOOL, False), 2: (Type.STRING, b"one")}] * 2)),
}
# thriftpy2 has no header transport, and its compiled protocol is the binary one.
PY2_WAYS = [(t, p, compiled) for t, p in PAIRS for compiled in (True, False) if t != "header" and not (p == "compact" and compiled)]


def decode(raw: bytes, transport: str, protocol: str) -> Message:
    """With everything told by the bytes, where they can tell it."""
    if protocol == "binary/non-strict":
        return thrift.decode(raw, transport=transport, protocol=protocol)
    return thrift.decode(raw)


def untyped_empty_maps(message: Message) -> Message:
    """What a peer's compact protocol leaves of it."""
    return message if message.protocol != "compact" else thrift.decode(thrift.encode(message))


@EACH_PAIR
@EACH_TYPE
def test_apache_reads_what_we_write(transport: str, protocol: str, type: str) -> None:
    headers = ((b"client", b"apache"), (b"empty", b"")) if transport == "header" else ()
    message = call(WITH_UUID, type=type, seqid=-3, transport=transport, protocol=protocol, headers=headers)
    assert exact(apache.read(thrift.encode(message), transport, protocol)) == exact(message)


@EACH_PAIR
@EACH_TYPE
def test_we_read_what_apache_writes(transport: str, protocol: str, type: str) -> None:
    headers = ((b"client", b"apache"), (b"empty", b"")) if transport == "header" else ()
    message = call(WITH_UUID, type=type, seqid=-3, transport=transport, protocol=protocol, headers=headers)
    assert exact(decode(apache.write(message), transport, protocol)) == exact(message)


@pytest.mark.parametrize("protocol", ["binary", "compact"])
def test_compressed_messages_go_both_ways(protocol: str) -> None:
    message = call(WITH_UUID, transport="header", protocol=protocol, headers=((b"a", b"b"),))
    assert exact(apache.read(thrift.encode(message, zlib=True), "header", protocol)) == exact(message)
    assert exact(thrift.decode(apache.write(message, zlib=True))) == exact(message)


@EACH_PAIR
def test_but_for_the_padding_of_headers_we_write_the_bytes_that_apache_writes(transport: str, protocol: str) -> None:
    message = call(WITH_UUID, transport=transport, protocol=protocol)
    ours, theirs = thrift.encode(message), apache.write(message)
    if transport == "header":
        ours, theirs = ours[ours.index(b"calculator") :], theirs[theirs.index(b"calculator") :]
    assert ours == theirs


@pytest.mark.slow
@EACH_PAIR
@given(message=MESSAGES)
@settings(max_examples=60, deadline=None)
def test_apache_and_we_agree_on_any_message(transport: str, protocol: str, message: Message) -> None:
    unique = dict(message.headers) if transport == "header" else {}
    message = message._replace(transport=transport, protocol=protocol, headers=tuple(unique.items()))
    message = untyped_empty_maps(message)
    raw = apache.write(message)
    assert exact(decode(raw, transport, protocol)) == exact(message)
    assert exact(apache.read(thrift.encode(message), transport, protocol)) == exact(message)


@pytest.mark.parametrize(("transport", "protocol", "compiled"), PY2_WAYS)
@EACH_TYPE
def test_thriftpy2_reads_what_we_write(transport: str, protocol: str, compiled: bool, type: str) -> None:
    message = call(PY2, type=type, seqid=3, transport=transport, protocol=protocol)
    assert exact(thriftpy.read(thrift.encode(message), message, compiled)) == exact(message)


@pytest.mark.parametrize(("transport", "protocol", "compiled"), PY2_WAYS)
@EACH_TYPE
def test_we_read_what_thriftpy2_writes(transport: str, protocol: str, compiled: bool, type: str) -> None:
    message = call(PY2, type=type, seqid=3, transport=transport, protocol=protocol)
    found = decode(thriftpy.write(message, compiled), transport, protocol)
    assert exact(found) == exact(message)


@pytest.mark.parametrize("source", PAIRS, ids="-".join)
@pytest.mark.parametrize("target", PAIRS, ids="-".join)
def test_what_apache_wrote_in_one_way_is_rewritten_so_that_it_reads_it_in_another(source: tuple[str, str], target: tuple[str, str]) -> None:
    message = call(WITH_UUID, transport=source[0], protocol=source[1])
    raw = apache.write(message)
    if source[1] == "binary/non-strict":
        raw = thrift.encode(decode(raw, *source), protocol="binary")
    rewritten = thrift.rewrite(raw, name="other", seqid=1, transport=target[0], protocol=target[1])
    expected = message._replace(name="other", seqid=1, transport=target[0], protocol=target[1])
    assert exact(apache.read(rewritten, *target)) == exact(expected)
