# C11 atomics on plain 64-bit integers and pointers; see _native/atomics.h for the orders. Any thread.
from libc.stdint cimport int64_t, uint64_t

cdef extern from "atomics.h" nogil:
    int64_t atomic_load(const int64_t *p) noexcept
    void atomic_store(int64_t *p, int64_t v) noexcept
    int64_t atomic_add(int64_t *p, int64_t v) noexcept
    int64_t atomic_ref(int64_t *p) noexcept
    int64_t atomic_unref(int64_t *p) noexcept      # the new value; 0 = the caller was the last owner
    int atomic_replace(int64_t *p, int64_t seen, int64_t v) noexcept      # stores v if the value is still `seen`; whether it was
    void *atomic_take(void **p) noexcept           # swaps in NULL
    int atomic_swap_if(void **p, void *seen, void *v) noexcept
    int64_t atomic_swap(int64_t *p, int64_t v) noexcept    # the old value; nothing moves across it
    void *atomic_peek(void **p) noexcept
    void publish_word(uint64_t *p, uint64_t v) noexcept    # what was written before is seen by whoever sees v
    uint64_t published_word(const uint64_t *p) noexcept
