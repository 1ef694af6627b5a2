"""Buffer filter; see buffer.pxd.

The chain gathers the body (FILTER_BUFFER) and answers one that is too long. What is left to do here is the limit, and the length that a body
of unknown length now has.
"""
from libc.stdint cimport uint8_t

from meshcore.base.buffer cimport Buffer
from meshcore.base.span cimport span, write_u64
from meshcore.codec.head cimport *
from meshcore.filter.http cimport *


cdef int on_request_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef const BufferConf *conf = <const BufferConf *>filter_settings(stream, n)
    if end or conf.off:
        stream.request_bodies &= ~(<uint32_t>1 << n)
        return FILTER_CONTINUE
    stream.request_limit = conf.max_bytes
    return FILTER_BUFFER


cdef int on_request_data(HttpStream *stream, uint8_t n, Buffer *data, bint end) noexcept nogil:
    cdef char text[20]
    stream.request_bodies &= ~(<uint32_t>1 << n)
    if end and not head_has(stream.request, H_CONTENT_LENGTH):
        head_set_copy(stream.request, H_CONTENT_LENGTH, span(text, write_u64(text, data.len)))
    return FILTER_CONTINUE


cdef HttpFilterOps ops
ops.kind = b"envoy.filters.http.buffer"
ops.on_request_head = on_request_head
ops.on_request_data = on_request_data
ops.on_request_trailers = NULL
ops.on_response_head = NULL
ops.on_response_data = NULL
ops.on_response_trailers = NULL
ops.on_log = NULL
ops.on_destroy = NULL


cdef const HttpFilterOps *buffer_filter() noexcept nogil:
    return &ops
