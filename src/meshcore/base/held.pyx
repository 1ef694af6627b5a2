"""Held bytes: a small growing block. See held.pxd for the law."""
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove


cdef bint held_append(Held *held, const char *at, size_t n) noexcept nogil:
    cdef uint32_t cap = held.cap
    cdef char *block
    if held.len + n > cap:
        cap = 1024 if cap == 0 else cap
        while cap < held.len + n:
            cap *= 2
        block = <char *>realloc(held.at, cap)
        if block == NULL:
            return False
        held.at = block
        held.cap = cap
    memcpy(held.at + held.len, at, n)
    held.len += <uint32_t>n
    return True


cdef void held_drop(Held *held, size_t n) noexcept nogil:
    if n >= held.len:
        held_fini(held)
        return
    memmove(held.at, held.at + n, held.len - n)
    held.len -= <uint32_t>n


cdef void held_fini(Held *held) noexcept nogil:
    free(held.at)
    held.at = NULL
    held.len = 0
    held.cap = 0
