"""Access logs: decides which logs want a stream and formats its line straight into the log file's buffer."""
from libc.stdint cimport uint8_t

from meshcore.conf.tables cimport LogConf
from meshcore.io.logfile cimport LogFile, logfile_commit, logfile_reserve
from meshcore.observe.format cimport format_bound, format_write
from meshcore.proxy.objects cimport *


cdef bint wanted(const LogConf *log, const Record *record) noexcept nogil:
    if log.status_at_least and record.status < log.status_at_least:
        return False
    if log.not_health_check and record.health_check:
        return False
    if log.flags_filter:
        return record.flags != 0 if log.flags == 0 else record.flags & log.flags != 0
    return True


cdef void access_log(Stream *stream) noexcept nogil:
    cdef LogConf *log
    cdef LogFile *file
    cdef char *room
    cdef size_t bound
    cdef uint8_t i
    for i in range(stream.hcm.logs_len):
        log = &stream.hcm.logs[i]
        if log.file >= stream.engine.logs_cap or not wanted(log, &stream.record):
            continue
        file = stream.engine.logs[log.file]
        if file == NULL:
            continue
        bound = format_bound(log.format, &stream.record)
        room = logfile_reserve(file, bound)
        if room != NULL:
            logfile_commit(file, format_write(log.format, &stream.record, room, room + bound) - room)
