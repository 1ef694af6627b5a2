"""Memory of nghttp2's sessions. See http2_memory.pxd.

Before each block stands its size, and which slab it came from; blocks greater than the greatest slab's are malloc's.
"""
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from meshcore.base.slab cimport slab_fini, slab_free, slab_init, slab_new

cdef enum:
    STEP = 64

cdef struct Mark:
    uint64_t slab                  # index; 0: malloc's
    uint64_t cap                   # bytes behind the mark


cdef void *take(size_t n, void *user) noexcept nogil:
    cdef Http2Memory *memory = <Http2Memory *>user
    cdef uint64_t at = (n + sizeof(Mark) + STEP - 1) // STEP
    cdef Mark *mark
    if at < HTTP2_MEMORY_SIZES:
        mark = <Mark *>slab_new(&memory.slabs[at])
        n = at * STEP - sizeof(Mark)
    else:
        mark = <Mark *>malloc(sizeof(Mark) + n)
        at = 0
    if mark == NULL:
        return NULL
    mark.slab = at
    mark.cap = n
    return mark + 1


cdef void give(void *block, void *user) noexcept nogil:
    cdef Http2Memory *memory = <Http2Memory *>user
    cdef Mark *mark
    if block == NULL:
        return
    mark = <Mark *>block - 1
    if mark.slab == 0:
        free(mark)
    else:
        slab_free(&memory.slabs[mark.slab], mark)


cdef void *take_zeroed(size_t n, size_t size, void *user) noexcept nogil:
    cdef void *block = take(n * size, user)
    if block != NULL:
        memset(block, 0, n * size)
    return block


cdef void *take_other(void *block, size_t n, void *user) noexcept nogil:
    cdef Mark *mark
    cdef void *other
    if block == NULL:
        return take(n, user)
    mark = <Mark *>block - 1
    if n <= mark.cap:
        return block
    other = take(n, user)
    if other != NULL:
        memcpy(other, block, mark.cap)
        give(block, user)
    return other


cdef void http2_memory_init(Http2Memory *memory) noexcept nogil:
    cdef int i
    memory.hooks.mem_user_data = memory
    memory.hooks.malloc = take
    memory.hooks.free = give
    memory.hooks.calloc = take_zeroed
    memory.hooks.realloc = take_other
    for i in range(1, HTTP2_MEMORY_SIZES):
        slab_init(&memory.slabs[i], i * STEP)


cdef void http2_memory_fini(Http2Memory *memory) noexcept nogil:
    cdef int i
    for i in range(1, HTTP2_MEMORY_SIZES):
        slab_fini(&memory.slabs[i])
