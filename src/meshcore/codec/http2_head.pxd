# HTTP/2 heads: fields as they come into a Head, and a Head as the fields that go out. The law of the codec is in http2.pxd.
from libc.stdint cimport uint16_t

from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.codec.http2 cimport Http2Options, Http2Stream
from meshcore.codec.http2_native cimport nghttp2_nv

# One field of the head that `stream` is receiving; `fixed`: the bytes never end. An Http2Wrong.
cdef int http2_take_field(Http2Stream *stream, Head *head, const Http2Options *options, Span name, bint name_fixed, Span value,
                          bint value_fixed) noexcept nogil
cdef size_t http2_fields_bound(Head *head) noexcept nogil
cdef size_t http2_fill_request(Head *head, nghttp2_nv *out) noexcept nogil          # how many were filled
cdef size_t http2_fill_response(Head *head, nghttp2_nv *out) noexcept nogil
cdef size_t http2_fill_trailers(Head *head, nghttp2_nv *out) noexcept nogil
