# The HTTP filter chain of a stream: running it forwards for requests, backwards for responses, holding and releasing. Worker thread.
from libc.stdint cimport uint8_t

from meshcore.base.buffer cimport Buffer
from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.proxy.objects cimport Stream

cdef bint chain_init(Stream *stream) noexcept nogil                            # False: no memory for the filters' state
cdef void chain_route(Stream *stream) noexcept nogil                           # the stream has another route: so have the filters' settings
cdef void chain_request_head(Stream *stream) noexcept nogil                    # ends at the router
cdef void chain_request_data(Stream *stream, Span data, bint end) noexcept nogil
cdef void chain_request_trailers(Stream *stream) noexcept nogil
cdef void chain_response_head(Stream *stream, bint end) noexcept nogil         # ends at stream_deliver_head
cdef void chain_response_data(Stream *stream, Span data, bint end) noexcept nogil
cdef void chain_response_trailers(Stream *stream) noexcept nogil
cdef void chain_resume(Stream *stream, bint response, uint8_t n) noexcept nogil          # by the filter that stopped
cdef void chain_inject(Stream *stream, bint response, uint8_t n, Buffer *data, bint end) noexcept nogil
cdef Head *chain_add_trailers(Stream *stream, uint8_t n, Buffer *data) noexcept nogil     # by a filter that was told the end
cdef void chain_hold_back(Stream *stream, bint response, uint8_t n, bint on) noexcept nogil
# A local reply comes: what waits is forgotten. `direct`: filters have seen a response head already, and see no other.
cdef void chain_skip_response(Stream *stream, bint direct) noexcept nogil
cdef void chain_end(Stream *stream) noexcept nogil                             # log and destroy hooks, waiting bytes
