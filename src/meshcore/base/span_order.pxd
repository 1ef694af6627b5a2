# The order of spans by their bytes, shorter ones first among those that begin alike. Pure, any thread.
from libc.stdint cimport uint32_t
from libc.string cimport memcmp

from meshcore.base.span cimport Span

cdef inline int span_order(Span a, Span b) noexcept nogil:
    # Below, at, or above zero.
    cdef uint32_t n = a.len if a.len < b.len else b.len
    cdef int found = memcmp(a.at, b.at, n) if n > 0 else 0
    return found if found != 0 else <int>(a.len > b.len) - <int>(a.len < b.len)
