# Held bytes: input that was read but could not be used yet, in one contiguous block, because a head must be seen whole.
#
# Empty for nearly every connection nearly always; then it owns no memory. One thread.
from libc.stdint cimport uint32_t

cdef struct Held:
    char *at
    uint32_t len
    uint32_t cap

cdef bint held_append(Held *held, const char *at, size_t n) noexcept nogil     # False: no memory
cdef void held_drop(Held *held, size_t n) noexcept nogil                       # the first n bytes; frees the block when nothing is left
cdef void held_fini(Held *held) noexcept nogil
