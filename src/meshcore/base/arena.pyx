"""Arena and its block pool: memory of a stream or a table, freed in one go.

See arena.pxd for the law. Blocks keep their own size, so a pool can tell the recyclable ones.
"""
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

cdef extern from "poison.h" nogil:
    void mesh_poison(void *at, size_t n) noexcept
    void mesh_unpoison(void *at, size_t n) noexcept


cdef void pool_init(BlockPool *pool, uint32_t free_max) noexcept nogil:
    pool.free = NULL
    pool.free_len = 0
    pool.free_max = free_max
    pool.live = 0


cdef void pool_fini(BlockPool *pool) noexcept nogil:
    cdef Block *block = pool.free
    cdef Block *next
    while block != NULL:
        next = block.next
        mesh_unpoison(block + 1, block.cap)
        free(block)
        block = next
    pool.free = NULL
    pool.free_len = 0


cdef void arena_init(Arena *arena, BlockPool *pool) noexcept nogil:
    arena.pool = pool
    arena.blocks = NULL
    arena.at = NULL
    arena.end = NULL


cdef void arena_fini(Arena *arena) noexcept nogil:
    cdef BlockPool *pool = arena.pool
    cdef Block *block = arena.blocks
    cdef Block *next
    while block != NULL:
        next = block.next
        if pool != NULL:
            pool.live -= 1
        if pool != NULL and block.cap == ARENA_BLOCK and pool.free_len < pool.free_max:
            block.next = pool.free
            pool.free = block
            pool.free_len += 1
            mesh_poison(block + 1, block.cap)
        else:
            free(block)
        block = next
    arena.blocks = NULL
    arena.at = NULL
    arena.end = NULL


cdef void *arena_grow(Arena *arena, size_t n) noexcept nogil:
    cdef BlockPool *pool = arena.pool
    cdef Block *block = NULL
    cdef size_t cap = ARENA_BLOCK
    if n > <uint32_t>-1:
        return NULL
    if pool == NULL and arena.blocks == NULL and n <= ARENA_FIRST:
        cap = ARENA_FIRST
    if n > ARENA_BLOCK:
        cap = n
    if cap == ARENA_BLOCK and pool != NULL and pool.free != NULL:
        block = pool.free
        pool.free = block.next
        pool.free_len -= 1
        mesh_unpoison(block + 1, block.cap)
    else:
        block = <Block *>malloc(sizeof(Block) + cap)
        if block == NULL:
            return NULL
        block.cap = <uint32_t>cap
    if pool != NULL:
        pool.live += 1
    if cap > ARENA_BLOCK and arena.blocks != NULL:
        # A big block serves this request alone; the bump block stays current.
        block.next = arena.blocks.next
        arena.blocks.next = block
        return <char *>block + sizeof(Block)
    block.next = arena.blocks
    arena.blocks = block
    arena.at = <char *>block + sizeof(Block) + n
    arena.end = <char *>block + sizeof(Block) + cap
    return <char *>block + sizeof(Block)


cdef char *arena_copy(Arena *arena, const char *at, size_t n) noexcept nogil:
    cdef char *copy
    if n == 0:
        return <char *>b""      # an empty arena answers NULL for nothing, and NULL means no memory
    copy = <char *>arena_take(arena, n)
    if copy != NULL:
        memcpy(copy, at, n)
    return copy
