"""Access logs: decides which logs want a stream and formats its line straight into the log file's buffer."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.clock cimport clock_ns
from meshcore.base.random cimport random_u64
from meshcore.base.runtime cimport runtime_hits, runtime_integer
from meshcore.base.span cimport Span, lower, parse_u64
from meshcore.codec.head cimport H_GRPC_STATUS, head_value
from meshcore.conf.tables cimport *
from meshcore.io.logfile cimport LogFile, logfile_commit, logfile_reserve
from meshcore.observe.format cimport format_bound, format_write
from meshcore.observe.record cimport LOG_DOWNSTREAM_END
from meshcore.proxy.objects cimport *
from meshcore.route.matcher cimport header_matches

cdef enum:
    NS_PER_MS = 1000000


cdef bint compares(const LogFilter *filter, uint64_t value) noexcept nogil:
    cdef uint64_t wanted = <uint64_t>runtime_integer(filter.cell, <int64_t>filter.value)
    if filter.op == COMPARE_EQ:
        return value == wanted
    if filter.op == COMPARE_GE:
        return value >= wanted
    if filter.op == COMPARE_LE:
        return value <= wanted
    return value != wanted


cdef bint in_fraction(const LogFilter *filter, Engine *engine, Record *record) noexcept nogil:
    # The request id decides, so that all proxies on a request's way log it or do not: its first eight digits as a number.
    cdef Span id = record.stream_id
    cdef uint64_t number = 0
    cdef uint32_t digit
    cdef uint32_t i
    if filter.independent or id.len < 8:
        return runtime_hits(&filter.fraction, random_u64(&engine.loop.random))
    for i in range(8):
        digit = <uint8_t>lower(id.at[i])
        if digit >= 48 and digit <= 57:
            digit -= 48
        elif digit >= 97 and digit <= 102:
            digit -= 87
        else:
            return runtime_hits(&filter.fraction, random_u64(&engine.loop.random))
        number = number << 4 | digit
    # As Envoy: here the key may say an integer alone, and that counts by the default's denominator.
    return number % filter.fraction.denominator < <uint64_t>runtime_integer(filter.fraction.cell, filter.fraction.numerator)


cdef uint64_t grpc_status(Record *record) noexcept nogil:
    # Of the trailers, the head, or what the HTTP status stands for (gRPC, doc/http-grpc-status-mapping.md).
    cdef uint64_t status
    if record.trailers != NULL and parse_u64(head_value(record.trailers, H_GRPC_STATUS), &status):
        return status
    if record.response != NULL and parse_u64(head_value(record.response, H_GRPC_STATUS), &status):
        return status
    if record.status == 400:
        return 13
    if record.status == 401:
        return 16
    if record.status == 403:
        return 7
    if record.status == 404:
        return 12
    if record.status == 429 or record.status == 502 or record.status == 503 or record.status == 504:
        return 14
    return 2


cdef bint log_filter_wants(const LogFilter *filter, Engine *engine, Record *record) noexcept nogil:
    cdef uint64_t number
    cdef uint16_t i
    if filter.test == LOG_STATUS:
        return compares(filter, record.status)
    if filter.test == LOG_DURATION:
        return compares(filter, ((record.end_ns if record.end_ns else clock_ns(&engine.loop.clock)) - record.start_ns) // NS_PER_MS)
    if filter.test == LOG_NOT_HEALTH_CHECK:
        return not record.health_check
    if filter.test == LOG_FLAGS:
        return record.flags != 0 if filter.bits == 0 else record.flags & filter.bits != 0
    if filter.test == LOG_HEADER:
        return record.request != NULL and header_matches(filter.header, record.request)
    if filter.test == LOG_FRACTION:
        return in_fraction(filter, engine, record)
    if filter.test == LOG_AND or filter.test == LOG_OR:
        for i in range(filter.parts_len):
            if log_filter_wants(&filter.parts[i], engine, record) == (filter.test == LOG_OR):
                return filter.test == LOG_OR
        return filter.test == LOG_AND
    number = record.log_type if filter.test == LOG_TYPE else grpc_status(record)
    return (number < 64 and filter.bits >> number & 1 != 0) != filter.exclude


cdef void write_logs(Engine *engine, LogConf *logs, uint8_t len, Record *record) noexcept nogil:
    cdef LogConf *log
    cdef LogFile *file
    cdef char *room
    cdef size_t bound
    cdef uint8_t i
    for i in range(len):
        log = &logs[i]
        if log.file >= engine.logs_cap or (log.filter != NULL and not log_filter_wants(log.filter, engine, record)):
            continue
        file = engine.logs[log.file]
        if file == NULL:
            continue
        bound = format_bound(log.format, record)
        room = logfile_reserve(file, bound)
        if room != NULL:
            logfile_commit(file, format_write(log.format, record, room, room + bound) - room)


cdef void access_log(Stream *stream) noexcept nogil:
    stream.record.log_type = LOG_DOWNSTREAM_END
    write_logs(stream.engine, stream.hcm.logs, stream.hcm.logs_len, &stream.record)
