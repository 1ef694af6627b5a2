# Slab: a free list of equal structs (streams, connections, write requests), one list per kind and worker.
#
# Structs are carved from 64 KiB pages (bigger structs get a page each), so a struct costs its own size and no malloc header.
# Pages are kept until the worker ends.
# Not thread-safe: a slab belongs to its worker.
from libc.stdint cimport uint32_t, uint64_t

cdef extern from "poison.h" nogil:
    void mesh_poison(void *at, size_t n) noexcept
    void mesh_unpoison(void *at, size_t n) noexcept

cdef struct SlabPage:
    SlabPage *next
    uint64_t cap                   # bytes that follow

cdef struct Slab:
    void **free                    # the first word of a free struct points to the next
    SlabPage *pages
    uint32_t size                  # of one struct, a multiple of 8
    uint32_t live                  # handed out now
    char *at                       # uncarved rest of the newest page
    char *end

cdef void slab_init(Slab *slab, size_t size) noexcept nogil
cdef void slab_fini(Slab *slab) noexcept nogil
cdef void *slab_carve(Slab *slab) noexcept nogil

cdef inline void *slab_new(Slab *slab) noexcept nogil:
    # Not cleared; NULL when memory ran out.
    cdef void **item = slab.free
    if item != NULL:
        mesh_unpoison(item, slab.size)
        slab.free = <void **>item[0]
        slab.live += 1
        return item
    return slab_carve(slab)

cdef inline void slab_free(Slab *slab, void *item) noexcept nogil:
    (<void **>item)[0] = slab.free
    slab.free = <void **>item
    slab.live -= 1
    mesh_poison(<char *>item + sizeof(void *), slab.size - sizeof(void *))
