"""Value index; see value_index.pxd for the law. Built on the main thread, read by every worker."""
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from meshcore.base.arena cimport arena_take
from meshcore.base.hash cimport xxhash64
from meshcore.base.span cimport span_equal
from meshcore.route.matcher cimport HEADER_STRING, STRING_EXACT, header_nth_value

cdef enum:
    NOWHERE = 0xffffffff


cdef inline bint is_exact(const HeaderMatcher *matcher) noexcept nogil:
    # A condition that only a header with this very value can meet.
    return (
        matcher.kind == HEADER_STRING and matcher.string.kind == STRING_EXACT and not matcher.invert
        and not matcher.string.ignore_case and not matcher.missing_as_empty
    )


cdef uint8_t name_of(ValueIndex *index, const HeaderMatcher *matcher) noexcept nogil:
    # The position of the name, filed if need be; VALUE_NAMES: no room.
    cdef uint8_t i
    for i in range(index.names_len):
        if span_equal(index.names[i].name, matcher.name):
            return i
    if index.names_len < VALUE_NAMES:
        index.names[index.names_len] = matcher
        index.names_len += 1
        return index.names_len - 1
    return VALUE_NAMES


cdef uint32_t slot_for(const ValueIndex *index, uint8_t name, Span value, uint64_t h) noexcept nogil:
    # The slot of that name and value, or the free one where it belongs.
    cdef uint32_t at = <uint32_t>h & index.mask
    cdef const ValueSlot *slot = &index.slots[at]
    while slot.matcher != NULL and not (slot.hash == h and slot.name == name and span_equal(slot.matcher.string.value, value)):
        at = (at + 1) & index.mask
        slot = &index.slots[at]
    return at


cdef void count_values(ValueIndex *index, const Conditions *candidate) noexcept nogil:
    cdef const HeaderMatcher *matcher
    cdef ValueSlot *slot
    cdef uint64_t h
    cdef uint16_t i
    cdef uint8_t name
    for i in range(candidate.len):
        matcher = &candidate.headers[i]
        if not is_exact(matcher):
            continue
        name = name_of(index, matcher)
        if name == VALUE_NAMES:
            continue
        h = xxhash64(matcher.string.value.at, matcher.string.value.len, name)
        slot = &index.slots[slot_for(index, name, matcher.string.value, h)]
        slot.hash = h
        slot.matcher = matcher
        slot.name = name
        slot.len += 1


cdef uint32_t rarest(ValueIndex *index, const Conditions *candidate) noexcept nogil:
    # The slot of the candidate's condition that the fewest candidates share; NOWHERE: none can be filed.
    cdef const HeaderMatcher *matcher
    cdef uint32_t best = NOWHERE
    cdef uint32_t at
    cdef uint16_t i
    cdef uint8_t name
    for i in range(candidate.len):
        matcher = &candidate.headers[i]
        if not is_exact(matcher):
            continue
        name = name_of(index, matcher)
        if name == VALUE_NAMES:
            continue
        at = slot_for(index, name, matcher.string.value, xxhash64(matcher.string.value.at, matcher.string.value.len, name))
        if best == NOWHERE or index.slots[at].len < index.slots[best].len:
            best = at
    return best


cdef bint file_candidates(
    ValueIndex *index, Arena *arena, const Conditions *candidates, uint32_t n, uint32_t *homes
) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        homes[i] = rarest(index, &candidates[i])
    for i in range(index.mask + 1):
        index.slots[i].len = 0
    for i in range(n):
        if homes[i] != NOWHERE:
            index.slots[homes[i]].len += 1
        else:
            index.rest_len += 1
    index.rest = <uint32_t *>arena_take(arena, (index.rest_len + 1) * sizeof(uint32_t))
    if index.rest == NULL:
        return False
    for i in range(index.mask + 1):
        if index.slots[i].len > 0:
            index.slots[i].orders = <uint32_t *>arena_take(arena, index.slots[i].len * sizeof(uint32_t))
            if index.slots[i].orders == NULL:
                return False
            index.slots[i].len = 0
    index.rest_len = 0
    for i in range(n):
        if homes[i] != NOWHERE:
            index.slots[homes[i]].orders[index.slots[homes[i]].len] = candidates[i].order
            index.slots[homes[i]].len += 1
        else:
            index.rest[index.rest_len] = candidates[i].order
            index.rest_len += 1
    return True


cdef ValueIndex *value_index_build(Arena *arena, const Conditions *candidates, uint32_t n, bint *useless) noexcept nogil:
    cdef ValueIndex *index
    cdef uint32_t *homes
    cdef uint32_t exact = 0
    cdef uint32_t cap = 8
    cdef uint32_t i
    cdef uint16_t j
    cdef bint filed = False
    for i in range(n):
        for j in range(candidates[i].len):
            exact += is_exact(&candidates[i].headers[j])
    useless[0] = exact == 0
    if exact == 0:
        return NULL
    while cap < exact * 2:
        cap *= 2
    index = <ValueIndex *>arena_take(arena, sizeof(ValueIndex))
    if index == NULL:
        return NULL
    memset(index, 0, sizeof(ValueIndex))
    index.slots = <ValueSlot *>arena_take(arena, cap * sizeof(ValueSlot))
    homes = <uint32_t *>malloc(n * sizeof(uint32_t))
    if index.slots != NULL and homes != NULL:
        memset(index.slots, 0, cap * sizeof(ValueSlot))
        index.mask = cap - 1
        for i in range(n):
            count_values(index, &candidates[i])
        filed = file_candidates(index, arena, candidates, n, homes)
    free(homes)
    return index if filed else NULL


cdef void value_walk_start(ValueWalk *walk, const ValueIndex *index, Head *head) noexcept nogil:
    walk.index = index
    walk.head = head
    walk.name = 0
    walk.value = 0


cdef const ValueSlot *value_walk_next(ValueWalk *walk) noexcept nogil:
    cdef const ValueIndex *index = walk.index
    cdef const ValueSlot *slot
    cdef Span value
    while walk.name < index.names_len:
        if not header_nth_value(index.names[walk.name], walk.head, walk.value, &value):
            walk.name += 1
            walk.value = 0
            continue
        walk.value += 1
        slot = &index.slots[slot_for(index, walk.name, value, xxhash64(value.at, value.len, walk.name))]
        if slot.matcher != NULL and slot.len > 0:
            return slot
    return NULL
