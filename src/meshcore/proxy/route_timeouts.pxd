# Route timeouts: which of the route's times are in force for a request, after its own headers had their word. Worker thread.
from libc.stdint cimport uint64_t

from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.proxy.objects cimport Stream
from meshcore.route.table cimport Route

cdef void route_timeouts_set(Stream *stream, Route *route) noexcept nogil      # timeout and per-try timeout; what the upstream is told
cdef void route_timeouts_expect(Stream *stream) noexcept nogil                 # the same for another try, less what has passed
cdef void route_duration_use(Stream *stream, Route *route) noexcept nogil      # max_stream_duration, for a route that has one
cdef void route_timeouts_deadline(Head *head, uint64_t ms) noexcept nogil       # sets grpc-timeout
# strict_check_headers: False, and the header to blame, when one of them makes no sense.
cdef bint strict_headers_hold(Stream *stream, Span *name, Span *value) noexcept nogil
