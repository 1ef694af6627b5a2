# Access logs: one line per log that wants this stream or connection, into the worker's log buffers. Worker thread.
from libc.stdint cimport uint8_t

from meshcore.conf.tables cimport LogConf, LogFilter
from meshcore.observe.record cimport Record
from meshcore.proxy.objects cimport Engine, Stream

cdef bint log_filter_wants(const LogFilter *filter, Engine *engine, Record *record) noexcept nogil   # also for a local reply being made
cdef void access_log(Stream *stream) noexcept nogil
cdef void write_logs(Engine *engine, LogConf *logs, uint8_t len, Record *record) noexcept nogil      # record.log_type is set
