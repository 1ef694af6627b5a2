"""Answers counted below names of their own. See charge_apart.pxd for the law."""
from libc.stdint cimport uint16_t, uint64_t

from meshcore.base.span cimport Span, span
from meshcore.observe.counters cimport code_inc, histogram_record, stat_inc
from meshcore.observe.late_stats cimport *
from meshcore.proxy.objects cimport STREAM_CANARY, STREAM_INTERNAL

cdef enum:
    CLASSES = 5
    PARTS = 12

cdef struct Name:
    # A prefix in parts, as late_stat joins them.
    Span parts[PARTS]
    int n

cdef struct Answer:
    uint16_t status                # 0: it is its time that counts
    uint64_t ms


cdef void add(Name *name, Span part) noexcept nogil:
    name.parts[name.n] = part
    name.parts[name.n + 1] = span(b".", 1)
    name.n += 2


cdef void tell(Stream *stream, Name *name, const Answer *answer) noexcept nogil:
    cdef uint64_t *stats = stream.engine.stats
    cdef const LateStat *stat = late_stat(stats, name.parts, name.n, LATE_ANSWERS)
    cdef int kind = answer.status // 100 - 1
    if stat == NULL:
        return
    if answer.status == 0:
        histogram_record(stats, stat.block + ANSWER_TIME, answer.ms)
        return
    stat_inc(stats, stat.slot + ANSWER_COMPLETED)
    if kind < 0 or kind >= CLASSES:
        stat_inc(stats, stat.slot + ANSWER_UNKNOWN)
        return
    stat_inc(stats, stat.slot + ANSWER_1XX + kind)
    code_inc(stats, stat.block + ANSWER_CODES, answer.status)


cdef void tell_below(Stream *stream, const Name *name, Span category, const Answer *answer) noexcept nogil:
    cdef Name below = name[0]
    add(&below, category)
    tell(stream, &below, answer)


cdef void tell_zone(Stream *stream, const Name *name, const Host *host, const Answer *answer) noexcept nogil:
    cdef Name below = name[0]
    if stream.cluster.conf.from_zone.len == 0 or host == NULL or host.zone.len == 0:
        return
    add(&below, span(b"zone", 4))
    add(&below, stream.cluster.conf.from_zone)
    add(&below, host.zone)
    tell(stream, &below, answer)


cdef void tell_all(Stream *stream, const Answer *answer, const Host *host, bint canary) noexcept nogil:
    cdef Name name
    name.n = 0
    add(&name, span(b"cluster", 7))
    add(&name, stream.cluster.conf.stat_name)
    tell_zone(stream, &name, host, answer)
    if answer.status == 0 and canary:
        tell_below(stream, &name, span(b"canary", 6), answer)
    if not stream.alt_named:
        return
    add(&name, stream.alt_stat)
    tell(stream, &name, answer)
    if canary:
        tell_below(stream, &name, span(b"canary", 6), answer)
    if stream.bits & STREAM_INTERNAL:
        tell_below(stream, &name, span(b"internal", 8), answer)
    else:
        tell_below(stream, &name, span(b"external", 8), answer)
    tell_zone(stream, &name, host, answer)


cdef void charge_apart(Stream *stream, uint16_t status, const Host *host, bint canary) noexcept nogil:
    cdef Answer answer
    answer.status = status
    answer.ms = 0
    tell_all(stream, &answer, host, canary)


cdef void charge_time_apart(Stream *stream, uint64_t ms, const Host *host) noexcept nogil:
    cdef Answer answer
    answer.status = 0
    answer.ms = ms
    tell_all(stream, &answer, host, stream.bits & STREAM_CANARY != 0)
