# Protocol buffers on the wire: fields out of bytes and bytes of fields, for the few messages that the engine reads and writes itself.
#
# No I/O, no allocation: a reader points into the caller's bytes, a writer fills room that the caller has measured with the same functions'
# sizes. Groups are refused. Which field means what is the caller's. Any thread.
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from meshcore.base.span cimport Span

cdef enum ProtobufWire:
    PROTOBUF_VARINT = 0
    PROTOBUF_FIXED64 = 1
    PROTOBUF_BYTES = 2
    PROTOBUF_FIXED32 = 5

cdef struct ProtobufReader:
    const char *at
    const char *end
    bint broken

cdef struct ProtobufField:
    uint32_t number
    uint8_t wire                   # ProtobufWire
    uint64_t value                 # of all but PROTOBUF_BYTES; fixed ones: their bits
    Span bytes

cdef inline ProtobufReader protobuf_reader(Span message) noexcept nogil:
    cdef ProtobufReader reader
    reader.at = message.at
    reader.end = message.at + message.len
    reader.broken = False
    return reader

cdef bint protobuf_next(ProtobufReader *reader, ProtobufField *field) noexcept nogil       # False: at its end, or `broken`

cdef size_t protobuf_size(uint64_t value) noexcept nogil                                # of a varint
cdef inline size_t protobuf_text_size(size_t n) noexcept nogil:
    # A field of n bytes, for field numbers below 16.
    return 1 + protobuf_size(n) + n

# These write behind `out` and answer where the next byte goes. Field numbers below 16.
cdef char *protobuf_put_varint(char *out, uint64_t value) noexcept nogil
cdef char *protobuf_put_number(char *out, uint32_t field, uint64_t value) noexcept nogil
cdef char *protobuf_put_head(char *out, uint32_t field, size_t n) noexcept nogil         # n bytes follow
cdef char *protobuf_put_text(char *out, uint32_t field, Span text) noexcept nogil
