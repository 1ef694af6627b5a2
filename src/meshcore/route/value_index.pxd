# Value index: among many candidates with the same path condition, those whose exact header condition the request can meet.
#
# A table that sends ten thousand tenants by `x-tenant: N` has one prefix and ten thousand candidates. Each candidate is filed under
# the rarest of its exact header conditions; a request asks with the values it has. Candidates without such a condition stay in
# `rest`. Filing decides only who is asked: the caller still checks every condition. Immutable, in the table's arena.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.arena cimport Arena
from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.route.matcher cimport HeaderMatcher

cdef enum:
    VALUE_NAMES = 8                # different header names that one index knows

cdef struct Conditions:
    # The header conditions of one candidate.
    const HeaderMatcher *headers
    uint16_t len
    uint32_t order

cdef struct ValueSlot:
    uint64_t hash
    const HeaderMatcher *matcher   # name and value; NULL = free
    uint32_t *orders               # ascending
    uint32_t len
    uint8_t name                   # position in `names`

cdef struct ValueIndex:
    const HeaderMatcher *names[VALUE_NAMES]     # one condition for each name
    uint8_t names_len
    ValueSlot *slots
    uint32_t mask
    uint32_t *rest
    uint32_t rest_len

cdef struct ValueWalk:
    # The slots that a request opens, one after the other.
    const ValueIndex *index
    Head *head
    uint8_t name
    uint32_t value

# Candidates in ascending order. NULL: no memory, or no candidate has an exact header condition (*useless then).
cdef ValueIndex *value_index_build(Arena *arena, const Conditions *candidates, uint32_t n, bint *useless) noexcept nogil
cdef void value_walk_start(ValueWalk *walk, const ValueIndex *index, Head *head) noexcept nogil
cdef const ValueSlot *value_walk_next(ValueWalk *walk) noexcept nogil                    # NULL: no more
