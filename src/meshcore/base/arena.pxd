# Arena: bump allocation that is thrown away as a whole; one per stream, and one per immutable table.
#
# An arena belongs to one thread at a time. Blocks of the standard size are recycled through a `BlockPool` (one per worker), so a
# stream costs no malloc; bigger requests get a block of their own, which goes back to malloc. NULL only when malloc failed.
from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    ARENA_BLOCK = 4096 - 16        # the payload of a standard block; the header makes it one page
    ARENA_FIRST = 512 - 32         # of the first block of an arena without a pool: many tables need no more

cdef struct Block:
    Block *next
    uint32_t cap
    uint32_t unused
    # the payload follows

cdef struct BlockPool:
    Block *free                    # standard blocks, used last first out
    uint32_t free_len
    uint32_t free_max              # beyond this many they go back to malloc
    uint64_t live                  # standard and big blocks that arenas hold now (for leak checks)

cdef struct Arena:
    BlockPool *pool                # NULL: every block comes from malloc
    Block *blocks                  # newest first
    char *at                       # next free byte of the newest block
    char *end

cdef void pool_init(BlockPool *pool, uint32_t free_max) noexcept nogil
cdef void pool_fini(BlockPool *pool) noexcept nogil
cdef void arena_init(Arena *arena, BlockPool *pool) noexcept nogil
cdef void arena_fini(Arena *arena) noexcept nogil                       # gives all blocks back; the arena is empty and usable again
cdef void *arena_grow(Arena *arena, size_t n) noexcept nogil            # slow path of arena_take
cdef char *arena_copy(Arena *arena, const char *at, size_t n) noexcept nogil

cdef inline void *arena_take(Arena *arena, size_t n) noexcept nogil:
    # 8-byte aligned memory, not cleared.
    cdef char *at = arena.at
    n = (n + 7) & ~<size_t>7
    if <size_t>(arena.end - at) >= n:
        arena.at = at + n
        return at
    return arena_grow(arena, n)
