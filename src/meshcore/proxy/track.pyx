"""Histograms of timeouts and sizes; see track.pxd for the law."""
from libc.stdint cimport uint16_t, uint32_t, uint64_t

from meshcore.base.clock cimport clock_ns
from meshcore.codec.head cimport H_TRANSFER_ENCODING, head_has
from meshcore.conf.tracking cimport Tracking
from meshcore.observe.counters cimport histogram_record

cdef enum:
    NS_PER_MS = 1000000
    ALL = 100                      # percent
    STATUS_LEN = 10                # ":status" and three digits
    NAMES_LEN = 29                 # ":method", ":path", ":authority" and ":scheme"
    REQUEST_PSEUDO = 4


cdef inline void record(Stream *stream, uint32_t first, uint64_t value) noexcept nogil:
    histogram_record(stream.engine.stats, first, value)


cdef inline uint64_t percent_since(Stream *stream, uint64_t start_ns, uint32_t timeout_ms) noexcept nogil:
    if timeout_ms == 0 or start_ns == 0:
        return 0
    return (clock_ns(&stream.engine.loop.clock) - start_ns) // NS_PER_MS * ALL // timeout_ms


cdef uint64_t fields_len(Head *head) noexcept nogil:
    cdef uint64_t n = 0
    cdef uint16_t i
    for i in range(head.len):
        if not head.headers[i].dropped and head.headers[i].id != H_TRANSFER_ENCODING:
            n += head.headers[i].name_len + head.headers[i].value_len
    return n


cdef uint64_t request_len(Head *head) noexcept nogil:
    # Our framing is not a part of it.
    return NAMES_LEN + head.method.len + head.path.len + head.authority.len + head.scheme.len + fields_len(head)


cdef void track_head(Attempt *attempt, Head *answer) noexcept nogil:
    cdef uint16_t i
    attempt.answer_head_bytes += STATUS_LEN
    attempt.answer_head_len += 1 + answer.len
    for i in range(answer.len):
        attempt.answer_head_bytes += answer.headers[i].name_len + answer.headers[i].value_len


cdef void track_try(Attempt *attempt) noexcept nogil:
    cdef Stream *stream = attempt.stream
    cdef const Tracking *tracking = stream.cluster.conf.tracking
    if tracking.try_budget_used:
        record(stream, tracking.try_budget_used, percent_since(stream, attempt.started_ns, stream.try_timeout_ms))
    if not tracking.rq_headers_size:
        return
    record(stream, tracking.rq_headers_size, request_len(&stream.request))
    record(stream, tracking.rq_headers_count, REQUEST_PSEUDO + stream.request.live - head_has(&stream.request, H_TRANSFER_ENCODING))
    record(stream, tracking.rq_body_size, attempt.sent_bytes)
    if attempt.answer_head_bytes:
        record(stream, tracking.rs_headers_size, attempt.answer_head_bytes)
        record(stream, tracking.rs_headers_count, attempt.answer_head_len)
        record(stream, tracking.rs_body_size, attempt.received_bytes)


cdef void track_request(Stream *stream) noexcept nogil:
    cdef const Tracking *tracking = stream.cluster.conf.tracking
    if tracking.budget_used:
        record(stream, tracking.budget_used, percent_since(stream, stream.record.request_end_ns, stream.timeout_ms))
