# What a stream says to its client's connection, if there still is one: DownstreamOps behind short names. Worker thread.
from libc.stdint cimport uint8_t

from meshcore.proxy.objects cimport Stream

cdef inline void client_pause(Stream *stream, uint8_t reason) noexcept nogil:
    if stream.down != NULL:
        stream.down.ops.pause(stream.down, stream, reason)

cdef inline void client_resume(Stream *stream, uint8_t reason) noexcept nogil:
    if stream.down != NULL:
        stream.down.ops.resume(stream.down, stream, reason)

cdef inline void client_no_more(Stream *stream) noexcept nogil:
    if stream.down != NULL:
        stream.down.ops.no_more(stream.down)
