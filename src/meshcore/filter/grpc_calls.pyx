"""gRPC calls as statistics; see grpc_calls.pxd for the law."""
from libc.stdint cimport int64_t, uint8_t

from meshcore.base.buffer cimport Slice
from meshcore.base.span cimport span, span_find
from meshcore.codec.grpc_frame cimport GRPC_FRAME_HEAD
from meshcore.codec.head cimport *
from meshcore.observe.counters cimport stat_inc
from meshcore.observe.late_stats cimport *

cdef enum:
    CALL_PARTS = 9                 # cluster. NAME . PROTOCOL . SERVICE . METHOD .


cdef bint next_word(Span *rest, Span *word) noexcept nogil:
    # The next of what lies between slashes, empty ones left out.
    cdef uint32_t i = 0
    while rest.len > 0 and rest.at[0] == b'/':
        rest.at += 1
        rest.len -= 1
    while i < rest.len and rest.at[i] != b'/':
        i += 1
    word[0] = span(rest.at, i)
    rest.at += i
    rest.len -= i
    return i > 0


cdef bint grpc_path_split(Span path, Span *service, Span *method) noexcept nogil:
    cdef int64_t query = span_find(path, b'?')
    cdef Span more
    if query >= 0:
        path.len = <uint32_t>query
    return next_word(&path, service) and next_word(&path, method) and not next_word(&path, &more)


cdef const LateStat *grpc_call_stat(HttpStream *stream, Span protocol, Span service, Span method) noexcept nogil:
    cdef Span parts[CALL_PARTS]
    cdef Span dot = span(b".", 1)
    parts[0] = span(b"cluster.", 8)
    parts[1] = stream.ops.cluster_stat_name(stream)
    parts[2] = dot
    parts[3] = protocol
    parts[4] = dot
    parts[5] = service
    parts[6] = dot
    parts[7] = method
    parts[8] = dot
    if parts[1].len == 0:
        return NULL
    return late_stat(stream.stats, parts, CALL_PARTS if service.len > 0 else 5, LATE_GRPC)


cdef int status_of(Span value) noexcept nogil:
    # -1: none of those that have a slot. "07" is not "7": they are names here.
    cdef int tens = 0
    if value.len == 2 and value.at[0] == b'1':
        tens = 10
    elif value.len != 1:
        return -1
    cdef uint8_t digit = <uint8_t>(value.at[value.len - 1] - 48)
    return tens + digit if digit <= 9 and tens + digit < GRPC_STATUSES else -1


cdef void grpc_charge_status(HttpStream *stream, const LateStat *stat, Head *head) noexcept nogil:
    cdef Span parts[2]
    cdef const LateStat *other
    cdef int status
    if stat == NULL or not head_has(head, H_GRPC_STATUS):
        return
    parts[0] = span(stat.name, stat.len)
    parts[1] = head_value(head, H_GRPC_STATUS)
    status = status_of(parts[1])
    if status >= 0:
        stat_inc(stream.stats, stat.slot + GRPC_STATUS + status)
    elif parts[1].len > 0:
        other = late_stat(stream.stats, parts, 2, LATE_COUNTER)
        if other != NULL:
            stat_inc(stream.stats, other.slot)
    stat_inc(stream.stats, stat.slot + (GRPC_SUCCESS if status == 0 else GRPC_FAILURE))
    stat_inc(stream.stats, stat.slot + GRPC_TOTAL)


cdef uint64_t grpc_frames_count(GrpcFrames *frames, const Buffer *data) noexcept nogil:
    cdef const Slice *item = data.first
    cdef uint64_t begun = 0
    cdef uint32_t i
    cdef uint32_t part
    while item != NULL:
        i = 0
        while i < item.len:
            if frames.head < GRPC_FRAME_HEAD:
                begun += frames.head == 0
                if frames.head > 0:
                    frames.left = frames.left << 8 | <uint8_t>item.at[i]
                frames.head += 1
                i += 1
            else:
                part = min(frames.left, item.len - i)
                frames.left -= part
                i += part
            if frames.head == GRPC_FRAME_HEAD and frames.left == 0:
                frames.head = 0
        item = item.next
    return begun
