"""Late statistics; see late_stats.pxd for the law."""
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy

from meshcore.base.atomics cimport atomic_add, atomic_swap_if, published_word
from meshcore.base.hash cimport xxhash64
from meshcore.observe.counters cimport STAT_LATE

cdef enum:
    SHARE = 8                      # one part in so many of each half of the arrays


cdef LateStats *late_stats_new(size_t cap, uint64_t seed) noexcept nogil:
    cdef LateStats *table = <LateStats *>calloc(1, sizeof(LateStats))
    if table == NULL:
        return NULL
    table.cells = <void **>calloc(LATE_CELLS, sizeof(void *))
    if table.cells == NULL:
        free(table)
        return NULL
    table.seed = seed
    table.room = <uint32_t>(cap // 2 // SHARE)
    table.slots_first = <uint32_t>(cap // 2 - table.room)
    table.blocks_first = <uint32_t>(cap - table.room)
    return table


cdef void late_stats_free(LateStats *table) noexcept nogil:
    cdef uint32_t i
    if table == NULL:
        return
    for i in range(LATE_CELLS):
        free(table.cells[i])
    free(table.cells)
    free(table)


cdef LateStat *make(LateStats *table, const char *name, uint32_t len, uint64_t hash, uint8_t kind) noexcept nogil:
    # Slots are never given back: two workers that meet a name at once cost one set of them.
    cdef int64_t slot_end = atomic_add(&table.slots_taken, table.slots_of[kind])
    cdef int64_t block_end = atomic_add(&table.blocks_taken, table.blocks_of[kind])
    cdef LateStat *stat
    if slot_end > table.room or block_end > table.room:
        atomic_add(&table.slots_taken, -<int64_t>table.slots_of[kind])
        atomic_add(&table.blocks_taken, -<int64_t>table.blocks_of[kind])
        return NULL
    stat = <LateStat *>malloc(sizeof(LateStat) + len)
    if stat == NULL:
        return NULL
    stat.hash = hash
    stat.slot = table.slots_first + <uint32_t>slot_end - table.slots_of[kind]
    stat.block = table.blocks_first + <uint32_t>block_end - table.blocks_of[kind]
    stat.len = <uint16_t>len
    stat.kind = kind
    stat.known = False
    memcpy(stat.name, name, len)
    return stat


cdef const LateStat *find(LateStats *table, LateStat *made, const char *name, uint32_t len, uint64_t hash, uint8_t kind) noexcept nogil:
    # The one of that name: what is there, or `made`, put into the first empty cell. `made` NULL: only looks.
    cdef uint64_t at = hash & (LATE_CELLS - 1)
    cdef LateStat *found
    while True:
        found = <LateStat *>published_word(<const uint64_t *>&table.cells[at])
        if found == NULL:
            if made == NULL:
                return NULL
            if atomic_swap_if(&table.cells[at], NULL, made):
                atomic_add(&table.named, 1)
                return made
            continue
        if found.hash == hash and found.kind == kind and found.len == len and memcmp(found.name, name, len) == 0:
            return found
        at = (at + 1) & (LATE_CELLS - 1)


cdef const LateStat *late_stat(uint64_t *slots, const Span *parts, int n, uint8_t kind) noexcept nogil:
    cdef LateStats *table = <LateStats *>slots[STAT_LATE]
    cdef char name[LATE_NAME_MAX]
    cdef const LateStat *found
    cdef LateStat *made = NULL
    cdef uint32_t len = 0
    cdef uint64_t hash
    cdef int i
    if table == NULL:
        return NULL
    for i in range(n):
        if parts[i].len > LATE_NAME_MAX - len:
            atomic_add(&table.refused, 1)
            return NULL
        if parts[i].len > 0:
            memcpy(name + len, parts[i].at, parts[i].len)
            len += parts[i].len
    hash = xxhash64(name, len, table.seed)
    found = find(table, NULL, name, len, hash, kind)
    if found != NULL:
        return found
    # Half of the cells stay empty, so that a search ends soon.
    if atomic_add(&table.taken, 1) <= LATE_MAX:
        made = make(table, name, len, hash, kind)
    if made == NULL:
        atomic_add(&table.taken, -1)
        atomic_add(&table.refused, 1)
        return NULL
    found = find(table, made, name, len, hash, kind)
    if found != made:
        free(made)
        atomic_add(&table.taken, -1)
    return found
