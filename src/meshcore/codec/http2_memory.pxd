# Memory of nghttp2's sessions: short-lived blocks by the dozen per stream, taken from slabs of a few sizes and given back to them.
#
# One per worker, on its thread; longer-lived than every session that uses it.
from libc.stddef cimport size_t

from meshcore.base.slab cimport Slab
from meshcore.codec.http2_native cimport nghttp2_mem

cdef enum:
    HTTP2_MEMORY_SIZES = 17        # multiples of 64 bytes; the first is never used

cdef struct Http2Memory:
    nghttp2_mem hooks
    Slab slabs[HTTP2_MEMORY_SIZES]

cdef void http2_memory_init(Http2Memory *memory) noexcept nogil
cdef void http2_memory_fini(Http2Memory *memory) noexcept nogil
