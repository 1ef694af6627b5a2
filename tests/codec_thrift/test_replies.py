"""Replies that the codec makes or looks into: application exceptions, and the first bytes of a result."""

from __future__ import annotations

from typing import Any

import pytest
from thrift.Thrift import TApplicationException
from thrift.transport.TTransport import TMemoryBuffer
from thriftpy2.thrift import TApplicationException as TApplicationException2
from thriftpy2.transport import TCyMemoryBuffer

from mesh.codec import thrift
from mesh.codec.thrift import Message, Type
from tests.codec_thrift import apache, thriftpy
from tests.codec_thrift.shapes import PAIRS, WIRES, call

EACH_PAIR = pytest.mark.parametrize(("transport", "protocol"), PAIRS)


@EACH_PAIR
def test_a_client_of_apache_raises_what_we_write(transport: str, protocol: str) -> None:
    request = call({}, seqid=-7, transport=transport, protocol=protocol, headers=((b"k", b"v"),))
    raw = thrift.exception(request, TApplicationException.UNKNOWN_METHOD, "no route for method 'add'")
    source = apache.protocol_over(TMemoryBuffer(raw), transport, protocol)
    assert source.readMessageBegin() == (request.name, 3, request.seqid)
    found = TApplicationException()
    found.read(source)
    assert (found.type, found.message) == (TApplicationException.UNKNOWN_METHOD, "no route for method 'add'")
    assert transport != "header" or source.get_headers() == {b"k": b"v"}


@pytest.mark.parametrize("protocol", ["binary", "binary/non-strict"])
def test_a_client_of_thriftpy2_raises_what_we_write(protocol: str) -> None:
    raw = thrift.exception(call({}, protocol=protocol), TApplicationException.INTERNAL_ERROR, "unknown cluster 'x'")
    source = thriftpy.protocol_over(TCyMemoryBuffer(raw), "framed", protocol, True)
    assert source.read_message_begin()[1] == 3
    found = TApplicationException2()
    source.read_struct(found)
    assert (found.type, found.message) == (6, "unknown cluster 'x'")


def test_a_long_name_and_many_headers_fit_too() -> None:
    headers = tuple((b"key-%d" % i, b"v" * 200) for i in range(250))
    request = call({}, name="n" * 30000, transport="header", headers=headers)
    found = thrift.decode(thrift.exception(request, 0, "x" * 20000), max_name_bytes=30000)
    assert found == Message(request.name, "exception", request.seqid, {1: (Type.STRING, b"x" * 20000), 2: (Type.I32, 0)}, headers, "header")


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, "success"),
        ({0: (Type.I32, 7)}, "success"),
        ({1: (Type.STRUCT, {})}, "error"),
        ({-1: (Type.BOOL, True)}, "error"),
        ({300: (Type.BOOL, False)}, "error"),
    ],
)
def test_the_first_field_of_a_result_tells_success_from_error(wire: str, fields: dict[int, tuple[Type, Any]], kind: str) -> None:
    raw = thrift.encode_struct(fields, wire)
    assert thrift.reply_kind(raw, wire) == kind
    kinds = [thrift.reply_kind(raw[:end], wire) for end in range(len(raw) + 1)]
    assert kinds == ["more"] * kinds.count("more") + [kind] * kinds.count(kind)
    assert thrift.reply_kind(b"\x05\0\0", "binary") == "bad"
