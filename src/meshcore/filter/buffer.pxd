# Buffer: holds a request until its body is complete, so that the upstream never waits for a slow client. Worker thread.
from libc.stdint cimport uint64_t

from meshcore.filter.http cimport HttpFilterOps

cdef struct BufferConf:
    bint off                       # switched off for a route
    uint64_t max_bytes             # a longer body is answered with 413

cdef const HttpFilterOps *buffer_filter() noexcept nogil
