"""Thrift values: skipping. See thrift_skip.pxd for the law.

Two gears. `run` walks the reader's own frames over input that is known to be long enough for any atom, with no event and one
comparison per part; everything that is not plain (a container's head, the last bytes of a piece, whatever looks wrong) goes through
thrift_read_next, which also finds the errors. Elements of a fixed width are passed as one run of bytes.
"""
from libc.stdint cimport int16_t, uint8_t, uint32_t, uint64_t

from meshcore.codec.thrift cimport *
from meshcore.codec.thrift_read cimport *
from meshcore.codec.thrift_wire cimport *

cdef extern from * nogil:
    int __builtin_ctzll(unsigned long long)

cdef enum:
    ROOM = 32                      # two atoms: the head of a field and its number
    SKIP_ASKED = 1
    SKIP_BEGUN = 2

cdef extern from *:
    """
    #define HIGH_BITS 0x8080808080808080ULL
    """
    const uint64_t HIGH_BITS


cdef inline bint pass_bytes(ThriftReader *reader, const char **at, const char *end) noexcept nogil:
    # True when nothing of `raw_left` is left.
    cdef uint64_t n = <uint64_t>(end - at[0])
    if n > reader.raw_left:
        n = reader.raw_left
    at[0] += n
    reader.left -= n
    reader.raw_left -= n
    if reader.raw_left > 0:
        return False
    if reader.state == READ_RAW:
        reader.state = READ_NEXT if reader.depth > 0 else READ_DONE
    return True


cdef inline size_t varint_len(const char *at, uint8_t type) noexcept nogil:
    # Of a number with room behind it, which ends in the first byte without the high bit. 0: it is long, or too long, for its type.
    cdef uint64_t ends = ~load_64_little(at) & HIGH_BITS
    cdef size_t n
    if ends == 0:
        return 0
    n = <size_t>(__builtin_ctzll(ends) >> 3) + 1
    if type == THRIFT_I32 and (n > 5 or (n == 5 and <uint8_t>at[4] > 15)):
        return 0
    if type == THRIFT_I16 and (n > 3 or (n == 3 and <uint8_t>at[2] > 3)):
        return 0
    return n


cdef inline const char *pass_varints(const char *at, const char *stop, uint8_t type, uint32_t *left) noexcept nogil:
    cdef size_t n
    while stop - at >= ROOM and left[0] > 0:
        if left[0] >= 8 and (load_64_little(at) & HIGH_BITS) == 0:
            at += 8
            left[0] -= 8
            continue
        n = varint_len(at, type)
        if n == 0:
            break
        at += n
        left[0] -= 1
    return at


cdef inline const char *field_head(ThriftFrame *frame, const char *at, bint compact, uint8_t *type) noexcept nogil:
    # Where the value begins; NULL for what needs the slow gear.
    cdef uint8_t head = <uint8_t>at[0]
    if not compact:
        type[0] = head
        return at + 3
    if head >> 4 == 0:
        return NULL
    frame.last_id = <int16_t>(<uint16_t>frame.last_id + (head >> 4))
    type[0] = thrift_of_compact[head & 15]
    return at + 1


cdef inline const char *scalar(ThriftReader *reader, const char *at, uint8_t type, bint compact, bint in_head) noexcept nogil:
    # Behind a value of a type that is no container and no string; NULL when there is none such.
    cdef size_t n
    if not compact:
        n = thrift_binary_width[type] if type < THRIFT_TYPES else 0
        return at + n if n > 0 else NULL
    if type == THRIFT_I16 or type == THRIFT_I32 or type == THRIFT_I64:
        n = varint_len(at, type)
        return at + n if n > 0 else NULL
    if type == THRIFT_BOOL or type == THRIFT_BYTE:
        return at if in_head and type == THRIFT_BOOL else at + 1
    if type == THRIFT_DOUBLE:
        return at + 8
    return at + 16 if type == THRIFT_UUID else NULL


cdef inline const char *string(ThriftReader *reader, const char *at, const char *stop, bint compact) noexcept nogil:
    # Behind a string, or as far in it as the input goes; NULL when its size is not in order.
    cdef uint64_t size = 0
    cdef int used = 4
    if not compact:
        size = load_32(at)
    elif <uint8_t>at[0] < 0x80:
        size = <uint8_t>at[0]
        used = 1
    else:
        used = read_varint(at, VARINT32_MAX, 32, &size)
        if used <= 0:
            return NULL
    at += used
    if size > reader.limits.max_string_bytes:
        return NULL
    if size <= <uint64_t>(stop - at):
        return at + size
    return NULL


cdef inline void run(ThriftReader *reader, const char **start, const char *stop, bint compact) noexcept nogil:
    # As far as it is plain. `stop` is the end of the input or of the payload, whichever comes first. On a return the reader is between
    # two atoms, or has the type of the next value pending.
    cdef const char *at = start[0]
    cdef const char *next
    cdef ThriftFrame *frame
    cdef uint8_t type = reader.pending
    cdef bint in_head = False
    cdef bint pending = reader.state == READ_VALUE
    if pending and reader.bool_in_head:
        return
    while stop - at >= ROOM:
        if not pending:
            frame = &reader.frames[reader.depth - 1]
            if frame.kind == THRIFT_STRUCT:
                if (<uint8_t>at[0] & (15 if compact else 255)) == 0:
                    at += 1
                    reader.depth -= 1
                    if reader.depth <= reader.skip_depth:
                        break
                    continue
                next = field_head(frame, at, compact, &type)
                if next == NULL:
                    break
                in_head = True
                at = next
            elif frame_over(frame):
                reader.depth -= 1
                if reader.depth <= reader.skip_depth:
                    break
                continue
            else:
                type = frame_take(frame)
                in_head = False
        if type == THRIFT_STRUCT:
            if reader.depth >= reader.limits.max_depth:
                pending = True
                break
            frame = &reader.frames[reader.depth]
            reader.depth += 1
            frame.kind = THRIFT_STRUCT
            frame.last_id = 0
            frame.left = 0
            frame.at_value = 0
            pending = False
            continue
        next = string(reader, at, stop, compact) if type == THRIFT_STRING else scalar(reader, at, type, compact, in_head)
        pending = next == NULL
        if pending:
            break
        at = next
        if reader.depth <= reader.skip_depth:
            break
    leave(reader, start, at, type, pending)


cdef inline void leave(ThriftReader *reader, const char **start, const char *at, uint8_t type, bint pending) noexcept nogil:
    reader.left -= <uint64_t>(at - start[0])
    start[0] = at
    reader.bool_in_head = 0
    if pending:
        reader.pending = type
        reader.state = READ_VALUE
    else:
        reader.state = READ_NEXT if reader.depth > 0 else READ_DONE


cdef inline void widen(ThriftReader *reader) noexcept nogil:
    # A container was opened: elements of a fixed width are so many bytes.
    cdef ThriftFrame *frame = &reader.frames[reader.depth - 1]
    cdef uint64_t each = width(reader, frame.type)
    if frame.kind == THRIFT_MAP and each > 0:
        each = each + width(reader, frame.key_type) if width(reader, frame.key_type) > 0 else 0
    if each > 0 and frame.left > 0:
        reader.raw_left = each * frame.left
        frame.left = 0
        reader.state = READ_RAW


cdef inline uint64_t width(ThriftReader *reader, uint8_t type) noexcept nogil:
    if not reader.compact:
        return thrift_binary_width[type & 31]
    if type == THRIFT_I16 or type == THRIFT_I32 or type == THRIFT_I64:
        return 0
    return thrift_compact_least[type] if thrift_binary_width[type & 31] > 0 else 0


cdef inline void numbers(ThriftReader *reader, const char **at, const char *stop) noexcept nogil:
    # A list of varints.
    cdef ThriftFrame *frame
    cdef const char *after
    if reader.state != READ_NEXT:
        return
    frame = &reader.frames[reader.depth - 1]
    if frame.kind != THRIFT_LIST and frame.kind != THRIFT_SET:
        return
    if frame.type == THRIFT_I32 or frame.type == THRIFT_I64 or frame.type == THRIFT_I16:
        after = pass_varints(at[0], stop, frame.type, &frame.left)
        reader.left -= <uint64_t>(after - at[0])
        at[0] = after


cdef inline bint opened(uint8_t kind) noexcept nogil:
    return kind == THRIFT_EVENT_LIST_BEGIN or kind == THRIFT_EVENT_SET_BEGIN or kind == THRIFT_EVENT_MAP_BEGIN


cdef int go(ThriftReader *reader, const char **at, const char *end) noexcept nogil:
    cdef ThriftEvent event
    cdef const char *stop
    cdef int result
    while True:
        if reader.raw_left > 0 and not pass_bytes(reader, at, end):
            return THRIFT_MORE
        if reader.skipping == SKIP_BEGUN and reader.depth <= reader.skip_depth and reader.state != READ_VALUE:
            reader.skipping = 0
            return THRIFT_OK if reader.state != READ_BROKEN else THRIFT_ERROR
        stop = end
        if <uint64_t>(end - at[0]) > reader.left:
            stop = at[0] + reader.left
        if reader.skipping == SKIP_BEGUN and reader.carry_len == 0 and stop - at[0] >= ROOM:
            if reader.compact:
                numbers(reader, at, stop)
                run(reader, at, stop, True)
            else:
                run(reader, at, stop, False)
            if reader.depth <= reader.skip_depth and reader.state != READ_VALUE:
                continue
        result = thrift_read_next(reader, at, end, &event)
        if result != THRIFT_OK:
            return result
        reader.skipping = SKIP_BEGUN
        if opened(event.kind):
            widen(reader)


cdef int thrift_skip(ThriftReader *reader, const char **at, const char *end) noexcept nogil:
    if reader.state >= READ_DONE:
        return THRIFT_DONE if reader.state == READ_DONE else THRIFT_ERROR
    if reader.skipping == 0:
        reader.skipping = SKIP_ASKED
        reader.skip_depth = reader.depth
    return go(reader, at, end)


cdef int thrift_skip_out(ThriftReader *reader, const char **at, const char *end) noexcept nogil:
    if reader.state >= READ_DONE:
        return THRIFT_DONE if reader.state == READ_DONE else THRIFT_ERROR
    if reader.skipping == 0:
        reader.skipping = SKIP_ASKED
        reader.skip_depth = reader.depth - 1 if reader.depth > 0 else 0
    return go(reader, at, end)
