# Access logs: one line per log that wants this stream, into the worker's log buffers. Worker thread.
from meshcore.proxy.objects cimport Stream

cdef void access_log(Stream *stream) noexcept nogil
