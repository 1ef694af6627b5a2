"""Slab: per-worker free lists of equal structs. See slab.pxd for the law."""
from libc.stdlib cimport free, malloc

cdef enum:
    PAGE = 65536


cdef void slab_init(Slab *slab, size_t size) noexcept nogil:
    slab.free = NULL
    slab.pages = NULL
    slab.size = <uint32_t>((size + 7) & ~<size_t>7)
    if slab.size < sizeof(void *):
        slab.size = sizeof(void *)          # a free struct holds the link of the free list
    slab.live = 0
    slab.at = NULL
    slab.end = NULL


cdef void slab_fini(Slab *slab) noexcept nogil:
    cdef SlabPage *page = slab.pages
    cdef SlabPage *next
    while page != NULL:
        next = page.next
        mesh_unpoison(page, sizeof(SlabPage) + page.cap)
        free(page)
        page = next
    slab_init(slab, slab.size)


cdef void *slab_carve(Slab *slab) noexcept nogil:
    cdef SlabPage *page
    cdef void *item
    cdef size_t cap = PAGE - sizeof(SlabPage)
    if slab.at == NULL or <size_t>(slab.end - slab.at) < slab.size:
        if slab.size > cap:
            cap = slab.size
        page = <SlabPage *>malloc(sizeof(SlabPage) + cap)
        if page == NULL:
            return NULL
        page.cap = cap
        page.next = slab.pages
        slab.pages = page
        slab.at = <char *>page + sizeof(SlabPage)
        slab.end = slab.at + cap
    item = slab.at
    slab.at += slab.size
    slab.live += 1
    return item
