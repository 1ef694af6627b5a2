# The HTTP filter chain of a stream: running it forwards for requests, backwards for responses, holding and releasing. Worker thread.
from meshcore.base.span cimport Span
from meshcore.proxy.objects cimport Stream

cdef bint chain_init(Stream *stream) noexcept nogil                            # False: no memory for the filters' state
cdef void chain_request_head(Stream *stream) noexcept nogil                    # ends at the router
cdef void chain_request_data(Stream *stream, Span data, bint end) noexcept nogil
cdef void chain_request_trailers(Stream *stream) noexcept nogil
cdef void chain_response_head(Stream *stream, bint end) noexcept nogil         # ends at stream_deliver_head
cdef void chain_response_data(Stream *stream, Span data, bint end) noexcept nogil
cdef void chain_response_trailers(Stream *stream) noexcept nogil
cdef void chain_resume_request(Stream *stream) noexcept nogil
cdef void chain_resume_response(Stream *stream) noexcept nogil
cdef void chain_skip_response(Stream *stream) noexcept nogil                   # forget what waits: a local reply takes its place
cdef void chain_end(Stream *stream) noexcept nogil                             # log and destroy hooks, waiting bytes
