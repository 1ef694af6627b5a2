"""Access logs; see logs.pxd for the law."""
from libc.stdint cimport uint16_t, uint64_t

from meshcore.base.arena cimport Arena
from meshcore.bind.format cimport compile_json, compile_text
from meshcore.bind.matchers cimport compile_headers, take
from meshcore.bind.runtime cimport RuntimeCells
from meshcore.conf.tables cimport *
from meshcore.observe.format cimport Format
from meshcore.observe.record cimport *
from meshcore.route.regex cimport Regex

LOG_TESTS = {
    "status": LOG_STATUS, "duration": LOG_DURATION, "not_health_check": LOG_NOT_HEALTH_CHECK, "flags": LOG_FLAGS, "header": LOG_HEADER,
    "fraction": LOG_FRACTION, "grpc_status": LOG_GRPC_STATUS, "log_type": LOG_TYPE, "and": LOG_AND, "or": LOG_OR,
}
COMPARISONS = {"eq": COMPARE_EQ, "ge": COMPARE_GE, "le": COMPARE_LE, "ne": COMPARE_NE}


def flag_bits(names):
    """The bits of response flags given by their short names."""
    cdef uint64_t bits = 0
    cdef int i
    for i in range(30):
        short = flag_short(<uint64_t>1 << i)
        if short.at[:short.len].decode() in names:
            bits |= <uint64_t>1 << i
    return bits


cdef Format *log_format(Arena *arena, object log) except NULL:
    if log.json is not None:
        return compile_json(arena, log.json, log.json_omit_empty)
    return compile_text(arena, log.format, log.json_omit_empty)


cdef LogConf *compile_logs(Arena *arena, object logs, dict files, RuntimeCells cells, Regex **regexes) except NULL:
    # `files`: path -> index of the worker's log file, grown as paths are met.
    cdef LogConf *found = <LogConf *>take(arena, sizeof(LogConf) * max(1, len(logs)))
    cdef LogConf *log
    for i, spec in enumerate(logs):
        log = &found[<int>i]
        log.file = files.setdefault(spec.path, len(files))
        log.format = log_format(arena, spec)
        if spec.filter is not None:
            log.filter = <LogFilter *>take(arena, sizeof(LogFilter))
            fill_log_filter(arena, spec.filter, cells, regexes, log.filter)
    return found


cdef int fill_log_filter(Arena *arena, object spec, RuntimeCells cells, Regex **regexes, LogFilter *out) except -1:
    cdef uint16_t n
    out.test = LOG_TESTS[spec.test]
    out.op = COMPARISONS.get(spec.op, COMPARE_EQ)
    out.value = spec.value
    out.cell = cells.cell(spec.key)
    cells.fill(spec.fraction, &out.fraction)
    out.exclude = spec.exclude
    out.independent = spec.independent
    out.bits = flag_bits(spec.flags)
    for number in spec.numbers:
        out.bits |= <uint64_t>1 << <int>number
    if spec.header is not None:
        out.header = compile_headers(arena, regexes, (spec.header,), False, &n)
    out.parts = <LogFilter *>take(arena, sizeof(LogFilter) * max(1, len(spec.parts)))
    out.parts_len = len(spec.parts)
    for i, part in enumerate(spec.parts):
        fill_log_filter(arena, part, cells, regexes, &out.parts[<int>i])
    return 0
