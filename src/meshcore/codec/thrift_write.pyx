"""Thrift values: the writer. See thrift_write.pxd for the law.

Every head and number is at most THRIFT_ATOM_MAX bytes and is written straight into the buffer's last chunk; strings are copied behind.
"""
from libc.stdint cimport int16_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from meshcore.base.buffer cimport buffer_commit, buffer_copy, buffer_reserve
from meshcore.codec.thrift_read cimport thrift_read_next
from meshcore.codec.thrift_wire cimport *

cdef enum:
    COMPACT_TRUE = 1
    COMPACT_FALSE = 2
    SHORT_MAX = 14                 # elements that the head of a compact list can count


cdef void thrift_write_begin(ThriftWriter *writer, uint8_t protocol, BufferPool *pool, Buffer *out) noexcept nogil:
    writer.pool = pool
    writer.out = out
    writer.compact = protocol == THRIFT_COMPACT
    writer.error = THRIFT_NO_ERROR
    writer.depth = 0
    writer.bool_waits = False
    writer.string_left = 0


cdef inline int fail(ThriftWriter *writer, uint8_t error) noexcept nogil:
    writer.error = error
    return THRIFT_ERROR


cdef inline char *room(ThriftWriter *writer) noexcept nogil:
    cdef char *at = buffer_reserve(writer.pool, writer.out, THRIFT_ATOM_MAX)
    if at == NULL:
        writer.error = THRIFT_NO_MEMORY
    return at


cdef inline int wrote(ThriftWriter *writer, size_t n) noexcept nogil:
    buffer_commit(writer.out, n)
    return THRIFT_OK


cdef int compact_field(ThriftWriter *writer, uint8_t type, int16_t id) noexcept nogil:
    # `type` is a number of the compact protocol.
    cdef int16_t *last = &writer.last_id[writer.depth - 1]
    cdef int delta = <int>id - last[0]
    cdef char *at = room(writer)
    cdef size_t n = 1
    if at == NULL:
        return THRIFT_ERROR
    last[0] = id
    if delta > 0 and delta <= 15:
        at[0] = <char>(delta << 4 | type)
    else:
        at[0] = <char>type
        n += write_varint(at + 1, <uint32_t>to_zigzag(id))
    return wrote(writer, n)


cdef int field(ThriftWriter *writer, const ThriftEvent *event) noexcept nogil:
    cdef char *at
    if writer.depth == 0 or not writer.in_struct[writer.depth - 1] or writer.bool_waits:
        return fail(writer, THRIFT_BAD_ORDER)
    if writer.compact:
        if event.type == THRIFT_BOOL:
            writer.bool_waits = True
            writer.bool_id = event.id
            return THRIFT_OK
        return compact_field(writer, thrift_to_compact[event.type & 31], event.id)
    at = room(writer)
    if at == NULL:
        return THRIFT_ERROR
    at[0] = <char>event.type
    store_16(at + 1, <uint16_t>event.id)
    return wrote(writer, 3)


cdef int open_frame(ThriftWriter *writer, bint in_struct) noexcept nogil:
    if writer.depth >= THRIFT_DEPTH_MAX:
        return fail(writer, THRIFT_TOO_DEEP)
    writer.in_struct[writer.depth] = in_struct
    writer.last_id[writer.depth] = 0
    writer.depth += 1
    return THRIFT_OK


cdef int close_frame(ThriftWriter *writer, bint in_struct) noexcept nogil:
    cdef char *at
    if writer.depth == 0 or writer.in_struct[writer.depth - 1] != in_struct or writer.bool_waits:
        return fail(writer, THRIFT_BAD_ORDER)
    writer.depth -= 1
    if not in_struct:
        return THRIFT_OK
    at = room(writer)
    if at == NULL:
        return THRIFT_ERROR
    at[0] = THRIFT_STOP
    return wrote(writer, 1)


cdef int list_head(ThriftWriter *writer, const ThriftEvent *event) noexcept nogil:
    cdef char *at = room(writer)
    cdef uint8_t type
    cdef size_t n = 1
    if at == NULL:
        return THRIFT_ERROR
    if not writer.compact:
        at[0] = <char>event.type
        store_32(at + 1, event.size)
        return wrote(writer, 5)
    type = thrift_to_compact[event.type & 31]
    if event.size <= SHORT_MAX:
        at[0] = <char>(event.size << 4 | type)
    else:
        at[0] = <char>(15 << 4 | type)
        n += write_varint(at + 1, event.size)
    return wrote(writer, n)


cdef int map_head(ThriftWriter *writer, const ThriftEvent *event) noexcept nogil:
    cdef char *at = room(writer)
    cdef size_t n
    if at == NULL:
        return THRIFT_ERROR
    if not writer.compact:
        at[0] = <char>event.key_type
        at[1] = <char>event.type
        store_32(at + 2, event.size)
        return wrote(writer, 6)
    n = write_varint(at, event.size)
    if event.size > 0:
        at[n] = <char>(thrift_to_compact[event.key_type & 31] << 4 | thrift_to_compact[event.type & 31])
        n += 1
    return wrote(writer, n)


cdef size_t binary_number(char *at, const ThriftEvent *event) noexcept nogil:
    cdef uint64_t bits
    if event.type == THRIFT_I32:
        store_32(at, <uint32_t>event.number)
    elif event.type == THRIFT_I64:
        store_64(at, <uint64_t>event.number)
    elif event.type == THRIFT_I16:
        store_16(at, <uint16_t>event.number)
    elif event.type == THRIFT_DOUBLE:
        memcpy(&bits, &event.real, 8)
        store_64(at, bits)
    else:
        at[0] = <char>event.number
    return thrift_binary_width[event.type & 31]


cdef size_t compact_number(char *at, const ThriftEvent *event) noexcept nogil:
    if event.type == THRIFT_BOOL:
        at[0] = COMPACT_TRUE if event.number else COMPACT_FALSE
        return 1
    if event.type == THRIFT_BYTE:
        at[0] = <char>event.number
        return 1
    if event.type == THRIFT_DOUBLE:
        memcpy(at, &event.real, 8)
        return 8
    return write_varint(at, to_zigzag(event.number))


cdef int number(ThriftWriter *writer, const ThriftEvent *event) noexcept nogil:
    cdef char *at
    if writer.bool_waits:
        writer.bool_waits = False
        return compact_field(writer, COMPACT_TRUE if event.number else COMPACT_FALSE, writer.bool_id)
    at = room(writer)
    if at == NULL:
        return THRIFT_ERROR
    return wrote(writer, compact_number(at, event) if writer.compact else binary_number(at, event))


cdef int copy(ThriftWriter *writer, const char *from_, size_t n) noexcept nogil:
    if not buffer_copy(writer.pool, writer.out, from_, n):
        return fail(writer, THRIFT_NO_MEMORY)
    return THRIFT_OK


cdef int string_part(ThriftWriter *writer, const ThriftEvent *event) noexcept nogil:
    if event.bytes.len > writer.string_left:
        return fail(writer, THRIFT_BAD_ORDER)
    writer.string_left -= event.bytes.len
    return copy(writer, event.bytes.at, event.bytes.len)


cdef int string_head(ThriftWriter *writer, const ThriftEvent *event) noexcept nogil:
    cdef char *at = room(writer)
    cdef size_t n = 4
    if at == NULL:
        return THRIFT_ERROR
    if writer.compact:
        n = write_varint(at, event.size)
    else:
        store_32(at, event.size)
    wrote(writer, n)
    writer.string_left = event.size
    return string_part(writer, event)


cdef int thrift_write_event(ThriftWriter *writer, const ThriftEvent *event) noexcept nogil:
    cdef uint8_t kind = event.kind
    if kind == THRIFT_EVENT_BYTES:
        return string_part(writer, event)
    if writer.string_left > 0:
        return fail(writer, THRIFT_BAD_ORDER)
    if kind == THRIFT_EVENT_FIELD:
        return field(writer, event)
    if kind == THRIFT_EVENT_NUMBER:
        return number(writer, event)
    if writer.bool_waits:
        return fail(writer, THRIFT_BAD_ORDER)
    if kind == THRIFT_EVENT_STRING:
        return string_head(writer, event)
    if kind == THRIFT_EVENT_UUID:
        return copy(writer, event.uuid, 16)
    if kind == THRIFT_EVENT_STRUCT_BEGIN:
        return open_frame(writer, True)
    if kind == THRIFT_EVENT_STRUCT_END:
        return close_frame(writer, True)
    if kind == THRIFT_EVENT_MAP_BEGIN:
        return map_head(writer, event) if open_frame(writer, False) == THRIFT_OK else THRIFT_ERROR
    if kind == THRIFT_EVENT_LIST_BEGIN or kind == THRIFT_EVENT_SET_BEGIN:
        return list_head(writer, event) if open_frame(writer, False) == THRIFT_OK else THRIFT_ERROR
    return close_frame(writer, False)


cdef int thrift_convert(ThriftReader *reader, const char **at, const char *end, ThriftWriter *writer) noexcept nogil:
    cdef ThriftEvent event
    cdef int result
    while True:
        result = thrift_read_next(reader, at, end, &event)
        if result != THRIFT_OK:
            return result
        if thrift_write_event(writer, &event) == THRIFT_ERROR:
            return THRIFT_ERROR
