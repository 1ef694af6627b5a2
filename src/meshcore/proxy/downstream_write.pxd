# HTTP/1 responses as bytes on a downstream connection: the writing half of DownstreamOps. Called by streams; worker thread.
from meshcore.base.buffer cimport Buffer
from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.proxy.objects cimport Downstream, Stream

cdef void downstream_send_interim(Downstream *down, Stream *stream, Head *head) noexcept nogil
cdef void downstream_send_head(Downstream *down, Stream *stream, bint end) noexcept nogil
cdef void downstream_send_span(Downstream *down, Stream *stream, Span data, bint end) noexcept nogil
cdef void downstream_send_buffer(Downstream *down, Stream *stream, Buffer *data, bint end) noexcept nogil
cdef void downstream_send_trailers(Downstream *down, Stream *stream, Head *trailers) noexcept nogil
