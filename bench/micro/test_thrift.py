"""Thrift: ours, as the engine pays for it and as Python sees it, against thriftpy2's compiled codec and Apache's accelerated one.

`pytest bench/micro/test_thrift.py --benchmark-json FILE`. The peers decode into objects of a class with a specification, ours into
plain values; all of them read every byte of the same struct. Native loops do LOOP rounds a call (`extra_info` says how many).
"""

from __future__ import annotations

from typing import Any

import pytest
from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
from thrift.protocol.TCompactProtocol import TCompactProtocolAccelerated
from thrift.Thrift import TType
from thrift.transport.TTransport import TMemoryBuffer
from thriftpy2.protocol.cybin import TCyBinaryProtocol
from thriftpy2.transport import TCyMemoryBuffer

from mesh.codec import thrift
from mesh.codec.thrift import Type
from meshcore.bind import thriftbench
from tests.codec_thrift.thriftpy import class_of

LOOP = 1000
WIRES = pytest.mark.parametrize("wire", ["binary", "compact"])
Fields = dict[int, tuple[Type, Any]]


def person(i: int) -> Fields:
    """A record as services send them: ids, names, flags, a few numbers."""
    return {
        1: (Type.I64, 1_700_000_000_000 + i),
        2: (Type.STRING, b"user-%06d@example.com" % i),
        3: (Type.I32, i * 37),
        4: (Type.BOOL, i % 2 == 0),
        5: (Type.DOUBLE, i / 7),
        6: (Type.STRING, b"x" * (20 + i % 30)),
    }


def record(people: int) -> Fields:
    return {
        1: (Type.STRING, b"6c1f1a80-6d3e-4f0e-9a64-0d7a5cf1f0aa"),
        2: (Type.I32, people),
        3: (Type.LIST, (Type.STRUCT, [person(i) for i in range(people)])),
        4: (Type.MAP, (Type.STRING, Type.I32, [(b"key-%d" % i, i) for i in range(8)])),
        5: (Type.LIST, (Type.I32, list(range(20)))),
    }


def sized(wire: str, size: int) -> bytes:
    """The record of about so many bytes."""
    people = 1
    while len(raw := thrift.encode_struct(record(people), wire)) < size:
        people += max(1, people * (size - len(raw)) // size // 2)
    return raw


KIB = {wire: sized(wire, 1024) for wire in ("binary", "compact")}
KIB_64 = {wire: sized(wire, 65536) for wire in ("binary", "compact")}
STRUCT = class_of([record(3)])


def named(benchmark: Any, group: str, raw: bytes, structs: int = 1) -> None:
    benchmark.group = group
    benchmark.extra_info.update(structs_per_call=structs, bytes_per_struct=len(raw))


@WIRES
def test_decode_mesh(benchmark: Any, wire: str) -> None:
    named(benchmark, f"decode 1 KiB {wire}", KIB[wire])
    assert len(benchmark(thrift.decode_struct, KIB[wire], wire)) == 5


@WIRES
def test_decode_mesh_plain(benchmark: Any, wire: str) -> None:
    named(benchmark, f"decode 1 KiB {wire}", KIB[wire])
    assert len(benchmark(thrift.decode_struct, KIB[wire], wire, plain=True)) == 5


def test_decode_thriftpy2_compiled(benchmark: Any) -> None:
    raw = KIB["binary"]
    named(benchmark, "decode 1 KiB binary", raw)

    def decode() -> Any:
        out = STRUCT()
        TCyBinaryProtocol(TCyMemoryBuffer(raw)).read_struct(out)
        return out

    assert len(benchmark(decode).f5) == 20


def apache_spec(kind: Any) -> tuple[Any, ...]:
    """Apache's words for what a class of thriftpy2 says."""
    spec: list[Any] = [None] * (max(kind.thrift_spec) + 1)
    for id, (type, name, *inside, _) in kind.thrift_spec.items():
        spec[id] = (id, apache_type(type), name, apache_inside(type, inside[0] if inside else None), None)
    return tuple(spec)


def apache_type(type: int) -> int:
    return TType.STRING if type == 18 else type


def apache_inside(type: int, inside: Any) -> Any:
    if type == TType.STRUCT:
        return [apache_class(inside), apache_spec(inside)]
    if type in (TType.LIST, TType.SET):
        return (*apache_pair(inside), False)
    if type == TType.MAP:
        return (*apache_pair(inside[0]), *apache_pair(inside[1]), False)
    return "BINARY" if type == 18 else None


def apache_pair(inside: Any) -> tuple[int, Any]:
    type, what = inside if isinstance(inside, tuple) else (inside, None)
    return apache_type(type), apache_inside(type, what)


def apache_class(kind: Any) -> Any:
    def __init__(self: Any, **fields: Any) -> None:
        self.__dict__.update(fields)

    return type("Struct", (), {"__init__": __init__, "thrift_spec": apache_spec(kind)})


@WIRES
def test_decode_apache_accelerated(benchmark: Any, wire: str) -> None:
    named(benchmark, f"decode 1 KiB {wire}", KIB[wire])
    protocol = TBinaryProtocolAccelerated if wire == "binary" else TCompactProtocolAccelerated
    spec = apache_spec(STRUCT)
    kind = apache_class(STRUCT)

    def decode() -> Any:
        source = protocol(TMemoryBuffer(KIB[wire]))
        out = kind()
        source._fast_decode(out, source, [kind, spec])
        return out

    assert len(benchmark(decode).f5) == 20


@WIRES
def test_events_engine(benchmark: Any, wire: str) -> None:
    named(benchmark, f"events 1 KiB {wire}", KIB[wire], LOOP)
    benchmark(thriftbench.read_events, KIB[wire], wire == "compact", LOOP)


@WIRES
def test_convert_engine(benchmark: Any, wire: str) -> None:
    named(benchmark, f"convert 1 KiB {wire}", KIB[wire], LOOP)
    benchmark(thriftbench.convert, KIB[wire], wire == "compact", LOOP)


@WIRES
def test_skip_engine(benchmark: Any, wire: str) -> None:
    named(benchmark, f"skip 64 KiB {wire}", KIB_64[wire], LOOP)
    benchmark(thriftbench.skip, KIB_64[wire], wire == "compact", LOOP)


def test_skip_thriftpy2_compiled(benchmark: Any) -> None:
    raw = KIB_64["binary"]
    named(benchmark, "skip 64 KiB binary", raw)
    benchmark(lambda: TCyBinaryProtocol(TCyMemoryBuffer(raw)).skip(TType.STRUCT))


@pytest.mark.parametrize("transport", ["framed", "unframed", "header"])
def test_pass_message_engine(benchmark: Any, transport: str) -> None:
    raw = thrift.encode(thrift.Message("service:method", "call", 1, record(3)), transport=transport)
    named(benchmark, "pass a message of 1 KiB on", raw, LOOP)
    benchmark(thriftbench.pass_message, raw, LOOP)
