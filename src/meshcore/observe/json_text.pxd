# JSON text: the inside of a JSON string from bytes that may be anything. Leaf code, any thread.
from libc.stdint cimport uint8_t

from meshcore.base.span cimport Span

cdef size_t json_bound(Span text) noexcept nogil                   # room that json_write needs
cdef char *json_write(Span text, char *out) noexcept nogil         # the end of what was written
cdef size_t utf8_length(const uint8_t *at, size_t n) noexcept nogil     # of the character there; 0: it is none
