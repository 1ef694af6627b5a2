"""Admission control; see admission_control.pxd for the law."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from meshcore.base.clock cimport clock_ns
from meshcore.base.random cimport random_u64
from meshcore.base.runtime cimport runtime_boolean, runtime_integer, runtime_number
from meshcore.base.span cimport parse_u64, span
from meshcore.codec.head cimport *
from meshcore.filter.admission cimport admission_record, admission_refuses
from meshcore.filter.http cimport *
from meshcore.observe.counters cimport stat_inc
from meshcore.route.table cimport request_is_grpc

cdef enum Watch:
    # What stream.state holds.
    WATCH_NOTHING
    WATCH_HEAD
    WATCH_TRAILERS                 # the gRPC status comes there

cdef enum:
    GRPC_MAX = 16


cdef inline double share(double percent, double least) noexcept nogil:
    return min(max(percent, least), 100.0) / 100.0


cdef bint refuses(HttpStream *stream, AdmissionConf *conf) noexcept nogil:
    cdef AdmissionLaw law
    law.threshold = share(runtime_number(conf.threshold_cell, 100 * conf.law.threshold), 0.0)
    law.aggression = max(runtime_number(conf.aggression_cell, conf.law.aggression), 1.0)
    law.most = share(runtime_number(conf.most_cell, 100 * conf.law.most), 0.0)
    law.least_rps = <uint64_t>runtime_integer(conf.rps_cell, <int64_t>conf.law.least_rps)
    return admission_refuses(&conf.history, &law, random_u64(stream.random), clock_ns(stream.clock))


cdef void refuse(HttpStream *stream) noexcept nogil:
    cdef LocalReply reply
    memset(&reply, 0, sizeof(LocalReply))
    reply.status = 503
    reply.details = span(b"denied_by_admission_control", 27)
    stream.ops.reply(stream, &reply)


cdef int on_request_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef AdmissionConf *conf = <AdmissionConf *>filter_settings(stream, n)
    stream.response_bodies &= ~(<uint32_t>1 << n)
    if stream.record.health_check or not runtime_boolean(conf.enabled_cell, conf.enabled):
        return FILTER_CONTINUE
    if refuses(stream, conf):
        stat_inc(stream.stats, conf.stats[ADMISSION_REJECTED])
        refuse(stream)
        return FILTER_STOP
    stream.state[n] = <void *><size_t>WATCH_HEAD
    return FILTER_CONTINUE


cdef void note(HttpStream *stream, uint8_t n, bint success) noexcept nogil:
    cdef AdmissionConf *conf = <AdmissionConf *>filter_settings(stream, n)
    stream.state[n] = <void *><size_t>WATCH_NOTHING
    stat_inc(stream.stats, conf.stats[ADMISSION_SUCCESS if success else ADMISSION_FAILURE])
    admission_record(&conf.history, success, clock_ns(stream.clock))


cdef bint grpc_succeeded(const AdmissionConf *conf, Head *head) noexcept nogil:
    cdef uint64_t status
    return parse_u64(head_value(head, H_GRPC_STATUS), &status) and status <= GRPC_MAX and conf.grpc_successes >> status & 1 != 0


cdef bint http_succeeded(const AdmissionConf *conf, uint16_t status) noexcept nogil:
    cdef uint16_t i
    for i in range(conf.successes_len):
        if conf.successes[i].first <= status < conf.successes[i].end:
            return True
    return False


cdef int on_response_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef const AdmissionConf *conf = <const AdmissionConf *>filter_settings(stream, n)
    cdef Head *head = stream.response
    if <size_t>stream.state[n] != WATCH_HEAD:
        return FILTER_CONTINUE
    if (end and head_has(head, H_GRPC_STATUS)) or (not end and head.status == 200 and request_is_grpc(head)):
        if head_has(head, H_GRPC_STATUS):
            note(stream, n, grpc_succeeded(conf, head))
        else:
            stream.state[n] = <void *><size_t>WATCH_TRAILERS
            stream.response_bodies |= <uint32_t>1 << n
    else:
        note(stream, n, http_succeeded(conf, head.status))
    return FILTER_CONTINUE


cdef int on_response_trailers(HttpStream *stream, uint8_t n, Head *trailers) noexcept nogil:
    if trailers != NULL and <size_t>stream.state[n] == WATCH_TRAILERS:
        note(stream, n, grpc_succeeded(<const AdmissionConf *>filter_settings(stream, n), trailers))
    return FILTER_CONTINUE


cdef HttpFilterOps ops
ops.kind = b"envoy.filters.http.admission_control"
ops.on_request_head = on_request_head
ops.on_request_data = NULL
ops.on_request_trailers = NULL
ops.on_response_head = on_response_head
ops.on_response_data = NULL
ops.on_response_trailers = on_response_trailers
ops.on_log = NULL
ops.on_destroy = NULL


cdef const HttpFilterOps *admission_control_filter() noexcept nogil:
    return &ops
