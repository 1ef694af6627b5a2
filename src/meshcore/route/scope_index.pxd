# Scope index: from what a request's headers say of its scope to the route table of that scope (scoped routes).
#
# Built on the main thread, read by every worker, at the cost of one look-up however many scopes there are. Immutable, in the arena of the
# table without hosts that stands for all scopes; it holds a reference to each of their tables, let go by `scope_index_fini`.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.arena cimport Arena
from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.route.table cimport RouteTable

cdef struct KeyPart:
    # What one header says of the key.
    Span header                    # lower case
    Span separator                 # between elements of its value; empty: the value is one
    uint32_t place                 # which element
    bint named                     # instead: the first element that says `name`, and what follows `equals` in it
    Span name
    Span equals

cdef struct RouteScope:
    const Span *key                # a text for each part, as many as `key_len` says
    uint16_t key_len               # another number than the index's parts_len: no request has this key
    RouteTable *table              # a reference

cdef struct ScopeSlot:
    uint64_t hash
    const RouteScope *scope        # NULL: free

cdef struct ScopeIndex:
    const KeyPart *parts
    uint16_t parts_len
    RouteScope *scopes             # no key stands twice
    uint32_t scopes_len
    ScopeSlot *slots
    uint32_t mask

cdef bint scope_index_build(ScopeIndex *index, Arena *arena) noexcept nogil      # once parts and scopes are there; False: no memory
cdef void scope_index_fini(ScopeIndex *index) noexcept nogil
# NULL: the request lacks a part of the key, or no scope has its key.
cdef const RouteTable *scope_index_find(const ScopeIndex *index, Head *request) noexcept nogil
