# HTTP/2 sessions: the calls. The law is in http2.pxd.
from libc.stdint cimport int32_t, uint32_t, uint64_t

from meshcore.base.buffer cimport Buffer
from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.codec.http2 cimport Http2Options, Http2Session, Http2Stream

# The caller has set ops, options, owner, pool, blocks, slab, memory, out and the marks; everything else is zero. False: no memory.
cdef bint http2_session_init(Http2Session *session, bint server) noexcept nogil
cdef void http2_session_fini(Http2Session *session) noexcept nogil                            # all streams with it, without events
cdef bint http2_receive(Http2Session *session, const char *at, size_t n) noexcept nogil       # False: session.error says why
cdef bint http2_pull(Http2Session *session) noexcept nogil                                    # frames into session.out. False: as above
cdef void http2_keep(Http2Session *session) noexcept nogil                                    # copies what was borrowed: the event is over

cdef Http2Stream *http2_request(Http2Session *session, Head *head, bint end, void *owner) noexcept nogil      # NULL: no memory, or no id left
cdef void http2_send_head(Http2Stream *stream, Head *head, bint end) noexcept nogil           # of a response
cdef void http2_send_interim(Http2Stream *stream, Head *head) noexcept nogil                  # a 1xx head
cdef void http2_send_span(Http2Stream *stream, Span data, bint end) noexcept nogil            # bytes must live until the event is over
cdef void http2_send_buffer(Http2Stream *stream, Buffer *data, bint end) noexcept nogil
cdef void http2_send_trailers(Http2Stream *stream, Head *trailers) noexcept nogil             # ends the message
cdef void http2_reset(Http2Stream *stream, uint32_t code) noexcept nogil
cdef void http2_detach(Http2Stream *stream) noexcept nogil                                    # no more events for it; what it has to send is sent
cdef void http2_pause(Http2Stream *stream) noexcept nogil                                     # what comes now is not consumed
cdef void http2_resume(Http2Stream *stream) noexcept nogil
cdef void http2_shutdown_notice(Http2Session *session) noexcept nogil                         # GOAWAY that lets streams on their way in
cdef void http2_goaway(Http2Session *session, uint32_t code) noexcept nogil                   # no stream that is not here yet
cdef void http2_ping(Http2Session *session) noexcept nogil
cdef uint32_t http2_peer_max_streams(Http2Session *session) noexcept nogil
cdef bint http2_idle(Http2Session *session) noexcept nogil                                    # nothing is to be sent
