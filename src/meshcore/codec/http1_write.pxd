# HTTP/1 output: heads, chunk sizes and trailers as bytes. The caller gives room of at least the bound; bytes written come back.
from libc.stdint cimport uint16_t, uint64_t

from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.codec.http1 cimport Http1Options

cdef size_t http1_head_bound(Head *head) noexcept nogil
# Content-Length and Transfer-Encoding are what the caller has put into the head; nothing is added here.
cdef size_t http1_write_request(Head *head, const Http1Options *options, bint full_url, char *out) noexcept nogil
cdef size_t http1_write_response(Head *head, bint http_10, const Http1Options *options, char *out) noexcept nogil
# How many of the n bytes of a written head are field lines: neither the start line nor the empty one.
cdef size_t http1_fields_len(const char *at, size_t n) noexcept nogil
cdef size_t http1_write_chunk_size(uint64_t n, char *out) noexcept nogil       # "1a\r\n", at most 18 bytes
cdef size_t http1_write_trailers(Head *trailers, char *out) noexcept nogil     # "0\r\n", the fields, an empty line
cdef Span http1_reason(uint16_t status) noexcept nogil                         # "Not Found"; "Unknown" for others, as Envoy
