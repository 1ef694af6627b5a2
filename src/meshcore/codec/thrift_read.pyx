"""Thrift values: the state machine of the event reader, for both protocols. See thrift_read.pxd for the law.

`step` reads one atom (the head of a field, of a container or of a string, or a number) whole or not at all; thrift_read_next feeds it
from the input, or from the carry when an atom was cut. An atom has at most THRIFT_ATOM_MAX bytes, so the carry always suffices.
"""
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from meshcore.base.span cimport span
from meshcore.codec.thrift cimport *
from meshcore.codec.thrift_wire cimport *


cdef void thrift_read_begin(ThriftReader *reader, uint8_t protocol, uint8_t type, uint64_t left,
                            const ThriftLimits *limits) noexcept nogil:
    reader.limits = limits
    reader.compact = protocol == THRIFT_COMPACT
    reader.state = READ_VALUE
    reader.error = THRIFT_NO_ERROR
    reader.pending = type
    reader.bool_in_head = 0
    reader.depth = 0
    reader.carry_len = 0
    reader.skipping = 0
    reader.skip_depth = 0
    reader.left = left
    reader.raw_left = 0


cdef inline int fail(ThriftReader *reader, uint8_t error) noexcept nogil:
    reader.error = error
    reader.state = READ_BROKEN
    return THRIFT_ERROR


cdef inline void settle(ThriftReader *reader) noexcept nogil:
    # A value has ended.
    reader.state = READ_NEXT if reader.depth > 0 else READ_DONE


cdef inline int bad_varint(ThriftReader *reader, int result) noexcept nogil:
    return THRIFT_MORE if result == VARINT_MORE else fail(reader, THRIFT_BAD_VARINT)


cdef inline int push(ThriftReader *reader, uint8_t kind, uint8_t key_type, uint8_t type, uint32_t size) noexcept nogil:
    cdef ThriftFrame *frame
    if reader.depth >= reader.limits.max_depth:
        return fail(reader, THRIFT_TOO_DEEP)
    frame = &reader.frames[reader.depth]
    reader.depth += 1
    frame.kind = kind
    frame.type = type
    frame.key_type = key_type
    frame.at_value = 0
    frame.last_id = 0
    frame.left = size
    reader.state = READ_NEXT
    return THRIFT_OK


cdef inline uint8_t end_event(uint8_t kind) noexcept nogil:
    if kind == THRIFT_STRUCT:
        return THRIFT_EVENT_STRUCT_END
    if kind == THRIFT_MAP:
        return THRIFT_EVENT_MAP_END
    return THRIFT_EVENT_SET_END if kind == THRIFT_SET else THRIFT_EVENT_LIST_END


cdef inline int pop(ThriftReader *reader, ThriftFrame *frame, ThriftEvent *event) noexcept nogil:
    event.kind = end_event(frame.kind)
    reader.depth -= 1
    settle(reader)
    return THRIFT_OK


cdef int field_head(ThriftReader *reader, ThriftFrame *frame, const char *at, size_t n, ThriftEvent *event,
                    size_t *used) noexcept nogil:
    cdef uint8_t type
    if n == 0:
        return THRIFT_MORE
    type = <uint8_t>at[0]
    if reader.compact:
        return compact_field_head(reader, frame, at, n, event, used)
    if type == THRIFT_STOP:
        used[0] = 1
        return pop(reader, frame, event)
    if type >= THRIFT_TYPES or thrift_binary_least[type] == 0:
        return fail(reader, THRIFT_BAD_TYPE)
    if n < 3:
        return THRIFT_MORE
    event.id = <int16_t>load_16(at + 1)
    used[0] = 3
    return field(reader, type, event)


cdef inline int field(ThriftReader *reader, uint8_t type, ThriftEvent *event) noexcept nogil:
    event.kind = THRIFT_EVENT_FIELD
    event.type = type
    reader.pending = type
    reader.state = READ_VALUE
    return THRIFT_OK


cdef int compact_field_head(ThriftReader *reader, ThriftFrame *frame, const char *at, size_t n, ThriftEvent *event,
                            size_t *used) noexcept nogil:
    cdef uint8_t head = <uint8_t>at[0]
    cdef uint8_t type = thrift_of_compact[head & 15]
    cdef uint64_t raw = 0
    cdef int64_t id
    cdef int size
    if (head & 15) == 0:
        used[0] = 1
        return pop(reader, frame, event)
    if type == THRIFT_STOP:
        return fail(reader, THRIFT_BAD_TYPE)
    if head >> 4 != 0:
        # Wraps where the libraries' 16-bit counters wrap.
        frame.last_id = <int16_t>(<uint16_t>frame.last_id + (head >> 4))
        used[0] = 1
    else:
        size = read_varint(at + 1, n - 1, 32, &raw)
        if size <= 0:
            return bad_varint(reader, size)
        id = zigzag_of(raw)
        if id < -32768 or id > 32767:
            return fail(reader, THRIFT_OUT_OF_RANGE)
        frame.last_id = <int16_t>id
        used[0] = <size_t>size + 1
    event.id = frame.last_id
    reader.bool_in_head = 0
    if type == THRIFT_BOOL:
        reader.bool_in_head = 2 if (head & 15) == 1 else 1
    return field(reader, type, event)


cdef inline int number(ThriftReader *reader, uint8_t type, int64_t v, ThriftEvent *event) noexcept nogil:
    event.kind = THRIFT_EVENT_NUMBER
    event.type = type
    event.number = v
    settle(reader)
    return THRIFT_OK


cdef inline int real(ThriftReader *reader, uint64_t bits, ThriftEvent *event) noexcept nogil:
    memcpy(&event.real, &bits, 8)
    return number(reader, THRIFT_DOUBLE, 0, event)


cdef inline int uuid(ThriftReader *reader, const char *at, ThriftEvent *event) noexcept nogil:
    event.kind = THRIFT_EVENT_UUID
    event.type = THRIFT_UUID
    memcpy(event.uuid, at, 16)
    settle(reader)
    return THRIFT_OK


cdef int binary_scalar(ThriftReader *reader, uint8_t type, const char *at, ThriftEvent *event) noexcept nogil:
    if type == THRIFT_I32:
        return number(reader, type, <int32_t>load_32(at), event)
    if type == THRIFT_I64:
        return number(reader, type, <int64_t>load_64(at), event)
    if type == THRIFT_I16:
        return number(reader, type, <int16_t>load_16(at), event)
    if type == THRIFT_BYTE:
        return number(reader, type, <signed char>at[0], event)
    if type == THRIFT_BOOL:
        return number(reader, type, at[0] != 0, event)
    if type == THRIFT_DOUBLE:
        return real(reader, load_64(at), event)
    return uuid(reader, at, event)


cdef int compact_scalar(ThriftReader *reader, uint8_t type, const char *at, size_t n, ThriftEvent *event, size_t *used) noexcept nogil:
    cdef uint64_t raw = 0
    cdef int64_t v
    cdef int size
    if type == THRIFT_BOOL and reader.bool_in_head:
        v = reader.bool_in_head - 1
        reader.bool_in_head = 0
        used[0] = 0
        return number(reader, type, v, event)
    used[0] = thrift_compact_least[type]
    if n < used[0]:
        return THRIFT_MORE
    if type == THRIFT_BOOL:
        return number(reader, type, at[0] == 1, event)     # false is 2, and 0 in some libraries
    if type == THRIFT_BYTE:
        return number(reader, type, <signed char>at[0], event)
    if type == THRIFT_DOUBLE:
        return real(reader, load_64_little(at), event)
    if type == THRIFT_UUID:
        return uuid(reader, at, event)
    size = read_varint(at, n, 64 if type == THRIFT_I64 else 32, &raw)
    if size <= 0:
        return bad_varint(reader, size)
    v = zigzag_of(raw)
    if type == THRIFT_I16 and (v < -32768 or v > 32767):
        return fail(reader, THRIFT_OUT_OF_RANGE)
    used[0] = <size_t>size
    return number(reader, type, v, event)


cdef inline int read_size(ThriftReader *reader, const char *at, size_t n, uint64_t *size) noexcept nogil:
    # Bytes used for a size; 0: more are needed; -1: an error is set.
    cdef int used
    if reader.compact:
        used = read_varint(at, n, 32, size)
        if used == VARINT_BAD:
            fail(reader, THRIFT_BAD_VARINT)
            return -1
    else:
        if n < 4:
            return 0
        size[0] = load_32(at)
        used = 4
    if used > 0 and size[0] > 0x7fffffff:
        fail(reader, THRIFT_NEGATIVE_SIZE)
        return -1
    return used


cdef int string_head(ThriftReader *reader, const char *at, size_t n, uint64_t room, ThriftEvent *event, size_t *used) noexcept nogil:
    cdef uint64_t size = 0
    cdef int result = read_size(reader, at, n, &size)
    if result <= 0:
        return THRIFT_MORE if result == 0 else THRIFT_ERROR
    if size > reader.limits.max_string_bytes:
        return fail(reader, THRIFT_STRING_TOO_LONG)
    used[0] = <size_t>result
    if size > room - used[0]:
        return fail(reader, THRIFT_TRUNCATED)
    event.kind = THRIFT_EVENT_STRING
    event.type = THRIFT_STRING
    event.size = <uint32_t>size
    reader.raw_left = size
    if size > 0:
        reader.state = READ_RAW
    else:
        settle(reader)
    return THRIFT_OK


cdef int container_types(ThriftReader *reader, uint8_t key_type, uint8_t type, uint8_t kind, uint64_t size, uint64_t room,
                         ThriftEvent *event) noexcept nogil:
    # The checks that both protocols share, once head and size are known; `room` is what the payload has left behind them.
    cdef const uint8_t *least = &thrift_compact_least[0] if reader.compact else &thrift_binary_least[0]
    cdef uint64_t each
    if type >= THRIFT_TYPES or least[type] == 0:
        type = THRIFT_STOP
    if kind != THRIFT_MAP or key_type >= THRIFT_TYPES or least[key_type] == 0:
        key_type = THRIFT_STOP
    # Nobody looks at the types of an empty container, and some writers put nothing there.
    if size > 0 and (type == THRIFT_STOP or (kind == THRIFT_MAP and key_type == THRIFT_STOP)):
        return fail(reader, THRIFT_BAD_TYPE)
    if size > reader.limits.max_container:
        return fail(reader, THRIFT_CONTAINER_TOO_LARGE)
    each = least[type]
    if kind == THRIFT_MAP:
        each += least[key_type]
        event.kind = THRIFT_EVENT_MAP_BEGIN
    else:
        event.kind = THRIFT_EVENT_SET_BEGIN if kind == THRIFT_SET else THRIFT_EVENT_LIST_BEGIN
    if size * each > room:
        return fail(reader, THRIFT_TRUNCATED)
    event.type = type
    event.key_type = key_type
    event.size = <uint32_t>size
    return push(reader, kind, key_type, type, <uint32_t>size)


cdef int binary_container(ThriftReader *reader, uint8_t kind, const char *at, size_t n, uint64_t room, ThriftEvent *event,
                          size_t *used) noexcept nogil:
    cdef size_t types = 2 if kind == THRIFT_MAP else 1
    cdef uint64_t size = 0
    cdef int result
    if n < types:
        return THRIFT_MORE
    result = read_size(reader, at + types, n - types, &size)
    if result <= 0:
        return THRIFT_MORE if result == 0 else THRIFT_ERROR
    used[0] = types + 4
    return container_types(reader, <uint8_t>at[0], <uint8_t>at[types - 1], kind, size, room - used[0], event)


cdef int compact_list(ThriftReader *reader, uint8_t kind, const char *at, size_t n, uint64_t room, ThriftEvent *event,
                      size_t *used) noexcept nogil:
    cdef uint64_t size
    cdef int result
    cdef uint8_t head
    if n == 0:
        return THRIFT_MORE
    head = <uint8_t>at[0]
    size = head >> 4
    used[0] = 1
    if size == 15:
        result = read_size(reader, at + 1, n - 1, &size)
        if result <= 0:
            return THRIFT_MORE if result == 0 else THRIFT_ERROR
        used[0] += <size_t>result
    return container_types(reader, THRIFT_STOP, thrift_of_compact[head & 15], kind, size, room - used[0], event)


cdef int compact_map(ThriftReader *reader, const char *at, size_t n, uint64_t room, ThriftEvent *event, size_t *used) noexcept nogil:
    cdef uint64_t size = 0
    cdef uint8_t head
    cdef int result = read_size(reader, at, n, &size)
    if result <= 0:
        return THRIFT_MORE if result == 0 else THRIFT_ERROR
    used[0] = <size_t>result
    if size == 0:
        return container_types(reader, THRIFT_STOP, THRIFT_STOP, THRIFT_MAP, 0, room, event)
    if n <= used[0]:
        return THRIFT_MORE
    head = <uint8_t>at[used[0]]
    used[0] += 1
    return container_types(reader, thrift_of_compact[head >> 4], thrift_of_compact[head & 15], THRIFT_MAP, size, room - used[0], event)


cdef int value(ThriftReader *reader, const char *at, size_t n, uint64_t room, ThriftEvent *event, size_t *used) noexcept nogil:
    cdef uint8_t type = reader.pending
    if type >= THRIFT_TYPES or thrift_binary_least[type] == 0:
        return fail(reader, THRIFT_BAD_TYPE)
    if type == THRIFT_STRING:
        return string_head(reader, at, n, room, event, used)
    if type == THRIFT_STRUCT:
        event.kind = THRIFT_EVENT_STRUCT_BEGIN
        event.type = THRIFT_STRUCT
        used[0] = 0
        return push(reader, THRIFT_STRUCT, THRIFT_STOP, THRIFT_STOP, 0)
    if type == THRIFT_MAP and reader.compact:
        return compact_map(reader, at, n, room, event, used)
    if type == THRIFT_LIST or type == THRIFT_SET or type == THRIFT_MAP:
        if reader.compact:
            return compact_list(reader, type, at, n, room, event, used)
        return binary_container(reader, type, at, n, room, event, used)
    if reader.compact:
        return compact_scalar(reader, type, at, n, event, used)
    used[0] = thrift_binary_width[type]
    if n < used[0]:
        return THRIFT_MORE
    return binary_scalar(reader, type, at, event)


cdef inline int step(ThriftReader *reader, const char *at, size_t n, uint64_t room, ThriftEvent *event, size_t *used) noexcept nogil:
    cdef ThriftFrame *frame
    if reader.state == READ_NEXT:
        frame = &reader.frames[reader.depth - 1]
        if frame.kind == THRIFT_STRUCT:
            return field_head(reader, frame, at, n, event, used)
        if frame_over(frame):
            return pop(reader, frame, event)
        reader.pending = frame_take(frame)
        reader.state = READ_VALUE
    return value(reader, at, n, room, event, used)


cdef inline int take_piece(ThriftReader *reader, const char **at, size_t n, ThriftEvent *event) noexcept nogil:
    # Up to n bytes of the string; they need not be all.
    if n > reader.raw_left:
        n = reader.raw_left
    event.bytes = span(at[0], n)
    at[0] += n
    reader.left -= n
    reader.raw_left -= n
    event.left = <uint32_t>reader.raw_left
    if reader.raw_left == 0:
        settle(reader)
    return THRIFT_OK


cdef int carried(ThriftReader *reader, const char **at, size_t n, ThriftEvent *event, size_t *used) noexcept nogil:
    # The atom at hand was cut: go on with the carry.
    cdef size_t had = reader.carry_len
    cdef size_t more = THRIFT_ATOM_MAX - had
    cdef int result
    if more > n:
        more = n
    memcpy(reader.carry + had, at[0], more)
    result = step(reader, reader.carry, had + more, reader.left + had, event, used)
    if result == THRIFT_OK:
        reader.carry_len = 0
        used[0] -= had
    elif result == THRIFT_MORE:
        reader.carry_len += <uint8_t>more
        used[0] = more
    return result


cdef int thrift_read_next(ThriftReader *reader, const char **at, const char *end, ThriftEvent *event) noexcept nogil:
    cdef size_t n = <size_t>(end - at[0])
    cdef size_t used = 0
    cdef int result
    if reader.state >= READ_DONE:
        return THRIFT_DONE if reader.state == READ_DONE else THRIFT_ERROR
    if n > reader.left:
        n = <size_t>reader.left
    if reader.state == READ_RAW:
        if n == 0:
            return THRIFT_MORE
        event.kind = THRIFT_EVENT_BYTES
        return take_piece(reader, at, n, event)
    if reader.carry_len > 0:
        result = carried(reader, at, n, event, &used)
    else:
        result = step(reader, at[0], n, reader.left, event, &used)
        if result == THRIFT_MORE:
            memcpy(reader.carry, at[0], n)
            reader.carry_len = <uint8_t>n
            used = n
    if result == THRIFT_ERROR:
        return result
    at[0] += used
    reader.left -= used
    if result == THRIFT_MORE:
        return THRIFT_MORE if reader.left > 0 else fail(reader, THRIFT_TRUNCATED)
    if event.kind == THRIFT_EVENT_STRING:
        if reader.state == READ_RAW:
            return take_piece(reader, at, n - used, event)
        event.bytes = span(at[0], 0)
        event.left = 0
    return THRIFT_OK


cdef const char *thrift_read_state_name(uint8_t state) noexcept nogil:
    if state == READ_VALUE:
        return b"value"
    if state == READ_NEXT:
        return b"next"
    if state == READ_RAW:
        return b"raw"
    return b"done" if state == READ_DONE else b"broken"
