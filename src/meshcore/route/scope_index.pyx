"""Scope index; see scope_index.pxd for the law.

A key is hashed part by part, straight from the header values; the parts are cut out a second time to compare them with the scope that the
hash has found, so a key may have any number of parts and nothing is stored.
"""
from libc.string cimport memcmp, memset

from meshcore.base.arena cimport arena_take
from meshcore.base.hash cimport xxhash64
from meshcore.base.span cimport span, span_equal
from meshcore.route.matcher cimport header_first_value
from meshcore.route.table cimport route_table_unref


cdef bint cut(Span *rest, Span separator, Span *before) noexcept nogil:
    # The text before the next separator, which leaves `rest`; False: there is no separator, and all of it is `before`.
    cdef uint32_t i = 0
    before[0] = rest[0]
    while separator.len > 0 and i + separator.len <= rest.len:
        if memcmp(rest.at + i, separator.at, separator.len) == 0:
            before.len = i
            rest[0] = span(rest.at + i + separator.len, rest.len - i - separator.len)
            return True
        i += 1
    rest[0] = span(rest.at + rest.len, 0)
    return False


cdef bint takes(const KeyPart *part, Span element, uint32_t place, Span *value) noexcept nogil:
    cdef Span name
    if not part.named:
        value[0] = element
        return place == part.place
    cut(&element, part.equals, &name)
    value[0] = element
    return span_equal(name, part.name)


cdef bint part_of(const KeyPart *part, Head *request, Span *value) noexcept nogil:
    cdef Span rest, element
    cdef uint32_t place = 0
    cdef bint more = header_first_value(request, part.header, &rest)
    while more:
        more = cut(&rest, part.separator, &element)
        if takes(part, element, place, value):
            return True
        place += 1
    return False


cdef inline uint64_t hash_with(uint64_t hash, Span value) noexcept nogil:
    return xxhash64(value.at, value.len, hash + value.len)


cdef bint scope_index_build(ScopeIndex *index, Arena *arena) noexcept nogil:
    cdef uint32_t cap = 8
    cdef uint32_t i, at
    cdef uint16_t n
    cdef uint64_t hash
    while cap < index.scopes_len * 2:
        cap *= 2
    index.slots = <ScopeSlot *>arena_take(arena, cap * sizeof(ScopeSlot))
    if index.slots == NULL:
        return False
    memset(index.slots, 0, cap * sizeof(ScopeSlot))
    index.mask = cap - 1
    for i in range(index.scopes_len):
        if index.scopes[i].key_len != index.parts_len:
            continue
        hash = 0
        for n in range(index.parts_len):
            hash = hash_with(hash, index.scopes[i].key[n])
        at = <uint32_t>hash & index.mask
        while index.slots[at].scope != NULL:
            at = (at + 1) & index.mask
        index.slots[at].hash = hash
        index.slots[at].scope = &index.scopes[i]
    return True


cdef void scope_index_fini(ScopeIndex *index) noexcept nogil:
    cdef uint32_t i
    if index != NULL:
        for i in range(index.scopes_len):
            route_table_unref(index.scopes[i].table)


cdef bint has_key(const ScopeIndex *index, const RouteScope *scope, Head *request) noexcept nogil:
    cdef Span value
    cdef uint16_t n
    for n in range(index.parts_len):
        if not part_of(&index.parts[n], request, &value) or not span_equal(value, scope.key[n]):
            return False
    return True


cdef const RouteTable *scope_index_find(const ScopeIndex *index, Head *request) noexcept nogil:
    cdef uint64_t hash = 0
    cdef uint32_t at
    cdef uint16_t n
    cdef Span value
    for n in range(index.parts_len):
        if not part_of(&index.parts[n], request, &value):
            return NULL
        hash = hash_with(hash, value)
    at = <uint32_t>hash & index.mask
    while index.slots[at].scope != NULL:
        if index.slots[at].hash == hash and has_key(index, index.slots[at].scope, request):
            return index.slots[at].scope.table
        at = (at + 1) & index.mask
    return NULL
