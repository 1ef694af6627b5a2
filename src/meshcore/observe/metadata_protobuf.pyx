"""Metadata out of protocol buffers. See metadata_protobuf.pxd for the law. Field numbers are those of the two messages."""
from libc.stdint cimport uint64_t

from meshcore.base.span cimport span
from meshcore.codec.protobuf cimport *
from meshcore.observe.metadata cimport *

cdef enum:
    DEPTH_MAX = 32

cdef union Bits:
    uint64_t bits
    double number


cdef bint read_list(Span message, Arena *arena, MetaValue *into, int depth) noexcept nogil:
    cdef ProtobufReader reader = protobuf_reader(message)
    cdef ProtobufField field
    cdef MetaValue *item
    into.kind = META_LIST
    while protobuf_next(&reader, &field):
        item = meta_append(into, arena)
        if item == NULL or not read_value(field.bytes, arena, item, depth):
            return False
    return not reader.broken


cdef bint read_value(Span message, Arena *arena, MetaValue *into, int depth) noexcept nogil:
    # google.protobuf.Value
    cdef ProtobufReader reader = protobuf_reader(message)
    cdef ProtobufField field
    cdef Bits real
    cdef bint good = depth > 0
    into.kind = META_NULL
    while good and protobuf_next(&reader, &field):
        if field.number == 2:
            real.bits = field.value
            into.kind = META_NUMBER
            into.number = real.number
        elif field.number == 3:
            into.kind = META_TEXT
            into.text = field.bytes
        elif field.number == 4:
            into.kind = META_BOOL
            into.flag = field.value != 0
        elif field.number == 5:
            good = read_struct(field.bytes, arena, into, depth - 1)
        elif field.number == 6:
            good = read_list(field.bytes, arena, into, depth - 1)
    return good and not reader.broken


cdef bint read_member(Span message, Arena *arena, MetaValue *parent, int depth) noexcept nogil:
    # An entry of Struct.fields.
    cdef ProtobufReader reader = protobuf_reader(message)
    cdef ProtobufField field
    cdef Span key = span(NULL, 0)
    cdef Span value = span(NULL, 0)
    cdef MetaValue *member
    while protobuf_next(&reader, &field):
        if field.number == 1:
            key = field.bytes
        elif field.number == 2:
            value = field.bytes
    member = meta_make(parent, arena, key)
    return not reader.broken and member != NULL and read_value(value, arena, member, depth)


cdef bint read_struct(Span message, Arena *arena, MetaValue *into, int depth) noexcept nogil:
    cdef ProtobufReader reader = protobuf_reader(message)
    cdef ProtobufField field
    into.kind = META_STRUCT
    while protobuf_next(&reader, &field):
        if field.number == 1 and not read_member(field.bytes, arena, into, depth):
            return False
    return not reader.broken


cdef bint metadata_read_struct(Span message, Arena *arena, MetaValue *into) noexcept nogil:
    return read_struct(message, arena, into, DEPTH_MAX)


cdef bint metadata_read_value(Span message, Arena *arena, MetaValue *into) noexcept nogil:
    return read_value(message, arena, into, DEPTH_MAX)
