# The last stretch of a response: from the filters to the downstream connection. Called by chain; worker thread.
from meshcore.base.buffer cimport Buffer
from meshcore.base.span cimport Span
from meshcore.proxy.objects cimport Stream

cdef void deliver_head(Stream *stream, bint end) noexcept nogil
cdef void deliver_span(Stream *stream, Span data, bint end) noexcept nogil
cdef void deliver_buffer(Stream *stream, Buffer *data, bint end) noexcept nogil
cdef void deliver_trailers(Stream *stream) noexcept nogil
cdef void deliver_full(Stream *stream) noexcept nogil      # too much waits: stop reading the upstream
cdef void deliver_low(Stream *stream) noexcept nogil
