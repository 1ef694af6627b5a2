"""Structs to bytes and back, in both protocols: identity, conversion, skipping, and every place at which bytes may end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings

from mesh.codec import thrift
from mesh.codec.thrift import DecodeError, Type
from tests.codec.driver import GuardPage
from tests.codec_thrift.shapes import EVERYTHING, WIRES, WITH_UUID, exact, structs

EACH_WIRE = pytest.mark.parametrize("wire", WIRES)
Fields = dict[int, tuple[Type, Any]]


@EACH_WIRE
def test_a_struct_with_everything_comes_back(wire: str) -> None:
    raw = thrift.encode_struct(WITH_UUID, wire)
    assert exact(thrift.decode_struct(raw, wire)) == exact(WITH_UUID)


@pytest.mark.slow
@EACH_WIRE
@given(fields=structs())
@settings(max_examples=150, deadline=None)
def test_any_struct_comes_back_and_is_skipped_whole(wire: str, fields: Fields) -> None:
    raw = thrift.encode_struct(fields, wire)
    assert exact(thrift.decode_struct(raw, wire)) == exact(fields)
    assert thrift.skip_struct(raw + b"\x7f" * 40, wire) == len(raw)
    assert thrift.skip_struct(raw, wire) == len(raw)


@pytest.mark.slow
@pytest.mark.parametrize("target", WIRES)
@pytest.mark.parametrize("source", WIRES)
@given(fields=structs())
@settings(max_examples=100, deadline=None)
def test_any_struct_is_converted_to_what_would_have_been_written(source: str, target: str, fields: Fields) -> None:
    converted = thrift.convert_struct(thrift.encode_struct(fields, source), source, target)
    assert converted == thrift.encode_struct(fields, target)


def to_binary(data: memoryview, wire: str) -> bytes:
    return thrift.convert_struct(data, wire, "binary")


def error_of(read: Callable[[memoryview, str], object], data: memoryview, wire: str) -> str:
    try:
        read(data, wire)
    except DecodeError as error:
        return error.error
    return ""


@EACH_WIRE
def test_a_struct_that_ends_anywhere_is_truncated_for_all_readers(wire: str) -> None:
    raw = thrift.encode_struct(WITH_UUID, wire)
    guard = GuardPage(len(raw))
    try:
        for end in range(len(raw)):
            with guard.place(raw[:end]) as part:
                for read in (thrift.decode_struct, thrift.skip_struct, to_binary):
                    assert error_of(read, part, wire) == "truncated", (end, read)
    finally:
        guard.close()


@EACH_WIRE
def test_bytes_behind_a_struct_are_refused(wire: str) -> None:
    raw = thrift.encode_struct({}, wire)
    with pytest.raises(DecodeError, match="trailing"):
        thrift.decode_struct(raw + b"\0", wire)
    with pytest.raises(DecodeError, match="trailing"):
        thrift.convert_struct(raw + b"\0", wire, wire)


@EACH_WIRE
def test_plain_values_leave_the_types_out(wire: str) -> None:
    fields: Fields = {
        1: (Type.MAP, (Type.STRING, Type.I32, [(b"a", 1)])),
        2: (Type.MAP, (Type.STRUCT, Type.I32, [({}, 1)])),
        3: (Type.LIST, (Type.STRUCT, [{1: (Type.BOOL, True)}])),
        4: (Type.MAP, (Type.STRUCT, Type.I32, [])),
    }
    plain = thrift.decode_struct(thrift.encode_struct(fields, wire), wire, plain=True)
    assert plain == {1: {b"a": 1}, 2: [({}, 1)], 3: [{1: True}], 4: {}}


def test_an_empty_map_of_the_compact_protocol_has_no_types() -> None:
    raw = thrift.encode_struct({1: (Type.MAP, (Type.I32, Type.I32, []))}, "compact")
    assert raw == b"\x1b\0\0"
    assert thrift.decode_struct(raw, "compact") == {1: (Type.MAP, (0, 0, []))}
    assert thrift.convert_struct(raw, "compact", "binary") == b"\x0d\0\x01\0\0\0\0\0\0\0"


def test_types_of_an_empty_container_may_be_anything_and_are_read_as_none() -> None:
    raw = b"\x0d\0\x01\x01\xa8\0\0\0\0\x0f\0\x02\xff\0\0\0\0\0"
    assert thrift.decode_struct(raw) == {1: (Type.MAP, (0, 0, [])), 2: (Type.LIST, (0, []))}
    assert thrift.skip_struct(raw) == len(raw)


def test_false_in_a_compact_container_is_two_or_zero() -> None:
    raw = b"\x19\x41\x01\x02\x00\x02\x00"
    assert thrift.decode_struct(raw, "compact", plain=True) == {1: [True, False, False, False]}


def test_field_ids_of_the_compact_protocol_go_up_down_and_around() -> None:
    fields: Fields = {id: (Type.BOOL, True) for id in (1, 16, 32, 5, -1, 32767, -32768, 0)}
    raw = thrift.encode_struct(fields, "compact")
    assert list(thrift.decode_struct(raw, "compact")) == list(fields)


def test_encoding_takes_text_and_dicts() -> None:
    given_: Fields = {1: (Type.STRING, "é"), 2: (Type.MAP, (Type.STRING, Type.I32, {"k": 1}))}
    assert thrift.decode_struct(thrift.encode_struct(given_), plain=True) == {1: "é".encode(), 2: {b"k": 1}}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({1: (Type.I16, 32768)}, "fields.1: 32768 is no i16"),
        ({1: (Type.BYTE, -129)}, "fields.1: -129 is no byte"),
        ({1: (Type.UUID, b"short")}, "must be 16 bytes"),
        ({1: (5, 1)}, "fields: 1 of type 5"),
        ({1: (Type.LIST, (Type.STRUCT, [{2: (0, 1)}]))}, "fields.1: 2 of type 0"),
        ({40000: (Type.BOOL, True)}, "field id 40000"),
    ],
)
def test_what_does_not_fit_the_wire_is_a_value_error_with_its_place(fields: Fields, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        thrift.encode_struct(fields)


def test_nesting_beyond_the_limit_is_a_value_error() -> None:
    fields: Fields = {}
    for _ in range(70):
        fields = {1: (Type.STRUCT, fields)}
    with pytest.raises(ValueError, match="deeper than 64"):
        thrift.encode_struct(fields)


@EACH_WIRE
def test_everything_is_smaller_than_what_a_reader_may_hold(wire: str) -> None:
    # The fast and the slow way to skip meet at every distance from the end.
    raw = thrift.encode_struct(EVERYTHING, wire)
    for behind in range(80):
        assert thrift.skip_struct(raw + b"\xff" * behind, wire) == len(raw)
