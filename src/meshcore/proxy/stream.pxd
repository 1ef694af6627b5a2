# Stream: one request and its response on their way through the filters. Protocol-neutral.
#
# The downstream codec calls stream_request_*; the router calls stream_response_*; stream_reply answers locally. A stream ends when its
# response was sent and its request read (or its connection will close), or when either side gave up; it is freed at the end of the
# loop iteration. Worker thread.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.filter.http cimport LocalReply
from meshcore.proxy.objects cimport Downstream, Stream

cdef Stream *stream_new(Downstream *down) noexcept nogil                      # NULL: no memory
cdef void stream_begin(Stream *stream) noexcept nogil                         # its head is complete, or wrong: it counts from now on
cdef void stream_request_head(Stream *stream, bint end) noexcept nogil        # stream.request and stream.message are filled
cdef bint stream_wants_websocket(Stream *stream) noexcept nogil               # asked for, and allowed
cdef void stream_request_data(Stream *stream, Span data) noexcept nogil
cdef void stream_request_trailers(Stream *stream) noexcept nogil              # stream.request_trailers is filled; ends the request
cdef void stream_request_end(Stream *stream) noexcept nogil
cdef void stream_client_gone(Stream *stream, bint local) noexcept nogil       # the connection ended under it
cdef void stream_upload_full(Stream *stream) noexcept nogil                   # downstream write queue is above its mark, and
cdef void stream_upload_low(Stream *stream) noexcept nogil                    # below it again

cdef void stream_interim(Stream *stream, Head *head) noexcept nogil           # a 1xx head from upstream
cdef void stream_response_head(Stream *stream, bint end) noexcept nogil       # stream.response is filled
cdef void stream_response_data(Stream *stream, Span data, bint end) noexcept nogil
cdef void stream_response_trailers(Stream *stream) noexcept nogil             # stream.trailers is filled
cdef void stream_reply(Stream *stream, const LocalReply *reply) noexcept nogil
cdef void stream_reply_simple(Stream *stream, uint16_t status, uint64_t flag, Span details, Span body) noexcept nogil
cdef void stream_reset(Stream *stream) noexcept nogil                         # the response cannot be completed: the connection is cut
cdef Head *stream_trailers(Stream *stream, Head **slot, bint is_response) noexcept nogil   # an empty head in that slot; NULL: no memory
cdef void stream_touch(Stream *stream) noexcept nogil                         # activity, for the idle timeout
