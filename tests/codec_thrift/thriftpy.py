"""thriftpy2 as a peer: writes and reads messages of our shapes with its Cython and its Python protocols.

thriftpy2 needs a class with a specification for each struct; they are made from the types that our shapes carry. Must not use our
codec.
"""

from __future__ import annotations

from typing import Any

from thriftpy2.protocol.binary import TBinaryProtocol
from thriftpy2.protocol.compact import TCompactProtocol
from thriftpy2.protocol.cybin import TCyBinaryProtocol
from thriftpy2.thrift import TPayload, TType
from thriftpy2.transport import TCyFramedTransport, TCyMemoryBuffer, TFramedTransport, TMemoryBuffer

from mesh.codec.thrift import Message, Type

TYPES = ["call", "reply", "exception", "oneway"]
Fields = dict[int, tuple[Type, Any]]


def spec_of(type: int, values: list[Any]) -> Any:
    """thriftpy2's word for a type of which `values` are examples: a number, or a pair of number and what is inside."""
    if type == Type.STRUCT:
        return TType.STRUCT, class_of(values)
    if type == Type.MAP:
        key_type, value_type = values[0][:2]
        pairs = [pair for value in values for pair in value[2]]
        return TType.MAP, (spec_of(key_type, [key for key, _ in pairs]), spec_of(value_type, [inner for _, inner in pairs]))
    if type in (Type.LIST, Type.SET):
        return int(type), spec_of(values[0][0], [inner for value in values for inner in value[1]])
    return TType.BINARY if type == Type.STRING else int(type)


def class_of(values: list[Fields]) -> type[Any]:
    """A class with the fields of all `values`."""
    ids: dict[int, list[tuple[Type, Any]]] = {}
    for fields in values:
        for id, field in fields.items():
            ids.setdefault(id, []).append(field)
    spec = {}
    for id, found in ids.items():
        inner = spec_of(found[0][0], [value for _, value in found])
        spec[id] = (inner[0], f"f{id}", inner[1], False) if isinstance(inner, tuple) else (inner, f"f{id}", False)
    names = [(f"f{id}", None) for id in spec]
    return type("Struct", (TPayload,), {"thrift_spec": spec, "default_spec": names})


def to_peer(type: int, value: Any, kind: Any) -> Any:
    if type == Type.STRUCT:
        out = kind()
        for id, (inner, field) in value.items():
            setattr(out, f"f{id}", to_peer(inner, field, inside(kind.thrift_spec[id])))
        return out
    if type == Type.MAP:
        return {to_peer(value[0], key, kind[0]): to_peer(value[1], inner, of(kind[1])) for key, inner in value[2]}
    if type in (Type.LIST, Type.SET):
        return [to_peer(value[0], inner, of(kind)) for inner in value[1]]
    return value


def inside(entry: Any) -> Any:
    return entry[2] if len(entry) == 4 else None


def of(kind: Any) -> Any:
    return kind[1] if isinstance(kind, tuple) else None


def from_peer(example: Any, type: int, value: Any) -> Any:
    """The value in our shape; `example` is what was sent, which tells the types that thriftpy2 has dropped."""
    if type == Type.STRUCT:
        return {id: (inner, from_peer(field, inner, getattr(value, f"f{id}"))) for id, (inner, field) in example.items()}
    if type == Type.MAP:
        key_type, value_type, pairs = example
        return key_type, value_type, [(key, from_peer(inner, value_type, value[key])) for key, inner in pairs]
    if type in (Type.LIST, Type.SET):
        return example[0], [from_peer(one, example[0], other) for one, other in zip(example[1], value, strict=True)]
    return value


def protocol_over(memory: Any, transport: str, protocol: str, compiled: bool) -> Any:
    if compiled:
        over = TCyFramedTransport(memory) if transport == "framed" else memory
        strict = protocol == "binary"
        return TCyBinaryProtocol(over, strict_read=strict, strict_write=strict)
    over = TFramedTransport(memory) if transport == "framed" else memory
    if protocol == "compact":
        return TCompactProtocol(over)
    strict = protocol == "binary"
    return TBinaryProtocol(over, strict_read=strict, strict_write=strict)


def write(message: Message, compiled: bool) -> bytes:
    memory = TCyMemoryBuffer() if compiled else TMemoryBuffer()
    # Its binary protocol in Python hands the framed transport, which is compiled, something that it does not take.
    by_hand = not compiled and message.transport == "framed"
    out = protocol_over(memory, "unframed" if by_hand else message.transport, message.protocol, compiled)
    out.write_message_begin(message.name, TYPES.index(message.type) + 1, message.seqid)
    out.write_struct(to_peer(Type.STRUCT, message.fields, class_of([message.fields])))
    out.write_message_end()
    out.trans.flush()
    raw: bytes = memory.getvalue()
    return len(raw).to_bytes(4, "big") + raw if by_hand else raw


def read(raw: bytes, example: Message, compiled: bool) -> Message:
    memory = TCyMemoryBuffer(raw) if compiled else TMemoryBuffer(raw)
    source = protocol_over(memory, example.transport, example.protocol, compiled)
    name, type, seqid = source.read_message_begin()
    out = class_of([example.fields])()
    source.read_struct(out)
    source.read_message_end()
    return example._replace(name=name, type=TYPES[type - 1], seqid=seqid, fields=from_peer(example.fields, Type.STRUCT, out))
