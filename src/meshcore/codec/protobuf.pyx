"""Protocol buffers on the wire. See protobuf.pxd for the law."""
from libc.string cimport memcpy

from meshcore.base.span cimport span

cdef enum:
    FIELD_MAX = 536870911


cdef bint read_varint(ProtobufReader *reader, uint64_t *value) noexcept nogil:
    cdef uint32_t shift = 0
    cdef uint8_t byte
    value[0] = 0
    while reader.at < reader.end and shift < 64:
        byte = <uint8_t>reader.at[0]
        reader.at += 1
        value[0] |= <uint64_t>(byte & 127) << shift
        if byte < 128:
            return True
        shift += 7
    return False


cdef bint read_fixed(ProtobufReader *reader, uint32_t n, uint64_t *value) noexcept nogil:
    cdef uint32_t i
    value[0] = 0
    if reader.end - reader.at < n:
        return False
    for i in range(n):
        value[0] |= <uint64_t><uint8_t>reader.at[i] << (8 * i)
    reader.at += n
    return True


cdef bint read_value(ProtobufReader *reader, ProtobufField *field) noexcept nogil:
    if field.wire == PROTOBUF_VARINT:
        return read_varint(reader, &field.value)
    if field.wire == PROTOBUF_FIXED64:
        return read_fixed(reader, 8, &field.value)
    if field.wire == PROTOBUF_FIXED32:
        return read_fixed(reader, 4, &field.value)
    if field.wire != PROTOBUF_BYTES or not read_varint(reader, &field.value) or field.value > <uint64_t>(reader.end - reader.at):
        return False
    field.bytes = span(reader.at, field.value)
    reader.at += field.value
    return True


cdef bint protobuf_next(ProtobufReader *reader, ProtobufField *field) noexcept nogil:
    cdef uint64_t tag
    if reader.at == reader.end or reader.broken:
        return False
    field.bytes = span(NULL, 0)
    if not read_varint(reader, &tag) or tag >> 3 == 0 or tag >> 3 > FIELD_MAX:
        reader.broken = True
        return False
    field.number = <uint32_t>(tag >> 3)
    field.wire = tag & 7
    reader.broken = not read_value(reader, field)
    return not reader.broken


cdef size_t protobuf_size(uint64_t value) noexcept nogil:
    cdef size_t n = 1
    while value > 127:
        value >>= 7
        n += 1
    return n


cdef char *protobuf_put_varint(char *out, uint64_t value) noexcept nogil:
    while value > 127:
        out[0] = <char>(value & 127 | 128)
        out += 1
        value >>= 7
    out[0] = <char>value
    return out + 1


cdef char *protobuf_put_number(char *out, uint32_t field, uint64_t value) noexcept nogil:
    out[0] = <char>(field << 3 | PROTOBUF_VARINT)
    return protobuf_put_varint(out + 1, value)


cdef char *protobuf_put_head(char *out, uint32_t field, size_t n) noexcept nogil:
    out[0] = <char>(field << 3 | PROTOBUF_BYTES)
    return protobuf_put_varint(out + 1, n)


cdef char *protobuf_put_text(char *out, uint32_t field, Span text) noexcept nogil:
    out = protobuf_put_head(out, field, text.len)
    if text.len > 0:
        memcpy(out, text.at, text.len)
    return out + text.len
