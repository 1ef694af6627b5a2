# How a stream ends: response complete, or cut off; the log lines; memory. Worker thread.
from libc.stdint cimport uint64_t

from meshcore.proxy.objects cimport Stream

cdef void stream_complete(Stream *stream) noexcept nogil        # the whole response went downstream
cdef void stream_end(Stream *stream) noexcept nogil             # counts, logs, lets go of everything; freed later in this iteration
cdef void stream_free(Stream *stream) noexcept nogil            # by the engine, after it ended; or at once if it never began
