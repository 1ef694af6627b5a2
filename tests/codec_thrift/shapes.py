"""Values for the tests of the Thrift codec: one struct with everything in it, and hypothesis strategies for all others.

Shapes are those of `mesh.codec.thrift`. Knows types and nothing of bytes.
"""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import strategies as st

from mesh.codec.thrift import Message, Type

TRANSPORTS = ["framed", "unframed", "header"]
PROTOCOLS = ["binary", "binary/non-strict", "compact"]
WIRES = ["binary", "compact"]
PAIRS = [(t, p) for t in TRANSPORTS for p in PROTOCOLS if (t, p) != ("header", "binary/non-strict")]
INTEGERS = {Type.BYTE: 8, Type.I16: 16, Type.I32: 32, Type.I64: 64}

EVERYTHING: dict[int, tuple[Type, Any]] = {
    1: (Type.BOOL, True),
    2: (Type.BOOL, False),
    3: (Type.BYTE, -128),
    4: (Type.I16, -32768),
    5: (Type.I32, 2147483647),
    6: (Type.I64, -(1 << 63)),
    7: (Type.DOUBLE, -0.1),
    8: (Type.STRING, "naïve".encode()),
    9: (Type.STRING, b""),
    40: (Type.STRUCT, {1: (Type.I32, 1), 2: (Type.STRUCT, {})}),
    41: (Type.LIST, (Type.I32, list(range(-20, 20)))),
    42: (Type.LIST, (Type.BOOL, [True, False, True])),
    43: (Type.SET, (Type.STRING, [b"a", b"bc", b"x" * 200])),
    44: (Type.MAP, (Type.STRING, Type.DOUBLE, [(b"pi", 3.14159), (b"e", 2.71828)])),
    45: (Type.LIST, (Type.STRUCT, [{1: (Type.BOOL, False), 2: (Type.STRING, b"one")}, {2: (Type.STRING, b"two")}])),
    46: (Type.MAP, (Type.I64, Type.LIST, [(1, (Type.I16, [1, 2])), (-1, (Type.I16, []))])),
    47: (Type.LIST, (Type.BYTE, [0, 1, -1])),
    48: (Type.LIST, (Type.DOUBLE, [])),
}
# Neither thriftpy2 nor older libraries know it.
WITH_UUID = EVERYTHING | {1000: (Type.UUID, bytes(range(16))), -5: (Type.LIST, (Type.UUID, [bytes(16)]))}


def call(fields: dict[int, tuple[Type, Any]] | None = None, **other: Any) -> Message:
    return Message("calculator:add", "call", 12345, EVERYTHING if fields is None else fields)._replace(**other)


def is_number(value: float) -> bool:
    return value == value


SCALARS: dict[Type, st.SearchStrategy[Any]] = {
    Type.BOOL: st.booleans(),
    Type.DOUBLE: st.floats(allow_nan=False),
    Type.STRING: st.binary(max_size=40),
    Type.UUID: st.binary(min_size=16, max_size=16),
    **{type: st.integers(-(1 << bits - 1), (1 << bits - 1) - 1) for type, bits in INTEGERS.items()},
}


def of_type(type: Type, depth: int) -> st.SearchStrategy[Any]:
    if type in SCALARS:
        return SCALARS[type]
    if type == Type.STRUCT:
        return structs(depth - 1)
    if type == Type.MAP:
        return st.tuples(types(depth - 1), types(depth - 1)).flatmap(lambda pair: maps(*pair, depth - 1))
    return types(depth - 1).flatmap(
        lambda element: st.tuples(st.just(element), st.lists(of_type(element, depth - 1), max_size=20 if element in SCALARS else 3))
    )


def types(depth: int) -> st.SearchStrategy[Type]:
    return st.sampled_from(list(Type) if depth > 0 else list(SCALARS))


def maps(key: Type, value: Type, depth: int) -> st.SearchStrategy[Any]:
    pairs = st.lists(st.tuples(of_type(key, depth), of_type(value, depth)), min_size=1, max_size=4)
    return st.tuples(st.just(key), st.just(value), pairs)


def structs(depth: int = 3) -> st.SearchStrategy[dict[int, tuple[Type, Any]]]:
    values = types(depth).flatmap(lambda type: st.tuples(st.just(type), of_type(type, depth)))
    return st.dictionaries(st.integers(-32768, 32767) | st.integers(1, 40), values, max_size=5)


MESSAGES = st.builds(
    Message,
    name=st.text(max_size=30),
    type=st.sampled_from(["call", "reply", "exception", "oneway"]),
    seqid=st.integers(-(1 << 31), (1 << 31) - 1),
    fields=structs(),
    headers=st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=4).map(tuple),
    trace=st.none(),
)


def exact(value: Any) -> Any:
    """The value with floats as their bits, so that -0.0 is not 0.0."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    if isinstance(value, dict):
        return {key: exact(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [exact(inner) for inner in value]
    return value
