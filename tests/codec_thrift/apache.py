"""Apache Thrift's own library for Python as a peer: writes and reads messages of our shapes through its protocols and transports.

Walks the values through the generic calls of TProtocol, as generated code does. Must not use our codec.
"""

from __future__ import annotations

import uuid
from typing import Any

from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.protocol.TCompactProtocol import TCompactProtocol
from thrift.protocol.THeaderProtocol import THeaderProtocol
from thrift.transport.THeaderTransport import THeaderClientType, THeaderSubprotocolID, THeaderTransformID
from thrift.transport.TTransport import TFramedTransport, TMemoryBuffer

from mesh.codec.thrift import Message, Type

TYPES = ["call", "reply", "exception", "oneway"]
SIMPLE = {
    Type.BOOL: "Bool",
    Type.BYTE: "Byte",
    Type.I16: "I16",
    Type.I32: "I32",
    Type.I64: "I64",
    Type.DOUBLE: "Double",
    Type.STRING: "Binary",
}


def protocol_over(memory: Any, transport: str, protocol: str) -> Any:
    if transport == "header":
        id = THeaderSubprotocolID.COMPACT if protocol == "compact" else THeaderSubprotocolID.BINARY
        return THeaderProtocol(memory, (THeaderClientType.HEADERS,), id)
    over = TFramedTransport(memory) if transport == "framed" else memory
    if protocol == "compact":
        return TCompactProtocol(over)
    strict = protocol == "binary"
    return TBinaryProtocol(over, strictRead=strict, strictWrite=strict)


def write_value(out: Any, type: int, value: Any) -> None:
    if type in SIMPLE:
        getattr(out, "write" + SIMPLE[Type(type)])(value)
    elif type == Type.UUID:
        out.writeUuid(uuid.UUID(bytes=value))
    elif type == Type.STRUCT:
        write_struct(out, value)
    elif type == Type.MAP:
        key_type, value_type, pairs = value
        out.writeMapBegin(key_type, value_type, len(pairs))
        for key, inner in pairs:
            write_value(out, key_type, key)
            write_value(out, value_type, inner)
        out.writeMapEnd()
    else:
        name = "List" if type == Type.LIST else "Set"
        element, values = value
        getattr(out, f"write{name}Begin")(element, len(values))
        for inner in values:
            write_value(out, element, inner)
        getattr(out, f"write{name}End")()


def write_struct(out: Any, fields: dict[int, tuple[int, Any]]) -> None:
    out.writeStructBegin("")
    for id, (type, value) in fields.items():
        out.writeFieldBegin("", type, id)
        write_value(out, type, value)
        out.writeFieldEnd()
    out.writeFieldStop()
    out.writeStructEnd()


def read_value(source: Any, type: int) -> Any:
    if type in SIMPLE:
        return getattr(source, "read" + SIMPLE[Type(type)])()
    if type == Type.UUID:
        return source.readUuid().bytes
    if type == Type.STRUCT:
        return read_struct(source)
    if type == Type.MAP:
        key_type, value_type, size = source.readMapBegin()
        pairs = [(read_value(source, key_type), read_value(source, value_type)) for _ in range(size)]
        source.readMapEnd()
        return key_type, value_type, pairs
    name = "List" if type == Type.LIST else "Set"
    element, size = getattr(source, f"read{name}Begin")()
    values = [read_value(source, element) for _ in range(size)]
    getattr(source, f"read{name}End")()
    return element, values


def read_struct(source: Any) -> dict[int, tuple[int, Any]]:
    fields = {}
    source.readStructBegin()
    while True:
        _, type, id = source.readFieldBegin()
        if type == 0:
            break
        fields[id] = (type, read_value(source, type))
        source.readFieldEnd()
    source.readStructEnd()
    return fields


def write(message: Message, zlib: bool = False) -> bytes:
    memory = TMemoryBuffer()
    out = protocol_over(memory, message.transport, message.protocol)
    for name, value in message.headers:
        out.set_header(name, value)
    if zlib:
        out.add_transform(THeaderTransformID.ZLIB)
    out.writeMessageBegin(message.name, TYPES.index(message.type) + 1, message.seqid)
    write_struct(out, message.fields)
    out.writeMessageEnd()
    out.trans.flush()
    raw: bytes = memory.getvalue()
    return raw


def read(raw: bytes, transport: str, protocol: str) -> Message:
    source = protocol_over(TMemoryBuffer(raw), transport, protocol)
    name, type, seqid = source.readMessageBegin()
    fields: Any = read_struct(source)
    source.readMessageEnd()
    headers = tuple(source.get_headers().items()) if transport == "header" else ()
    return Message(name, TYPES[type - 1], seqid, fields, headers, transport, protocol)
