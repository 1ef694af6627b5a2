"""Thrift routes: the index over names, and the choice of a cluster. See thrift_table.pxd for the law.

Routes with a name that is not inverted are filed under a hash of it. A call asks for its whole name (methods) and for each part that
ends in a colon (services), with one hash that grows along the name; then for what stands in `rest`. Each list is ascending, so the
first route that takes the call in a list decides for it, and the smallest of those decides.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from meshcore.base.arena cimport arena_fini, arena_init, arena_take
from meshcore.base.atomics cimport atomic_add, atomic_load, atomic_unref
from meshcore.base.hash cimport mix64
from meshcore.base.span cimport span, span_equal
from meshcore.codec.head cimport Header, head_find_name, header_value
from meshcore.codec.thrift_message cimport thrift_name_split
from meshcore.route.matcher cimport headers_match_all
from meshcore.route.regex cimport regex_free_all
from meshcore.route.table cimport choice_at
from meshcore.route.value_index cimport Conditions, ValueSlot, ValueWalk, value_index_build, value_walk_next, value_walk_start

cdef enum:
    NONE = 0xffffffff
    COLON = 58

cdef int64_t live_tables = 0


cdef int64_t thrift_tables_live() noexcept nogil:
    return atomic_load(&live_tables)


cdef ThriftRouteTable *thrift_table_new() noexcept nogil:
    cdef ThriftRouteTable *table = <ThriftRouteTable *>calloc(1, sizeof(ThriftRouteTable))
    if table != NULL:
        arena_init(&table.arena, NULL)
        table.refs = 1
        atomic_add(&live_tables, 1)
    return table


cdef void thrift_table_unref(ThriftRouteTable *table) noexcept nogil:
    if table != NULL and atomic_unref(&table.refs) == 0:
        regex_free_all(&table.regexes)
        arena_fini(&table.arena)
        free(table)
        atomic_add(&live_tables, -1)


# --- the index ------------------------------------------------------------------------------------------------------


cdef inline uint64_t grow_hash(uint64_t h, char c) noexcept nogil:
    # FNV-1a, spread by mix64 where it is used: it can be had for every part of a name in one pass.
    return (h ^ <uint8_t>c) * <uint64_t>0x100000001b3


cdef inline uint64_t first_hash() noexcept nogil:
    return <uint64_t>0xcbf29ce484222325


cdef inline uint64_t key_of(uint64_t h, uint8_t kind) noexcept nogil:
    return mix64(h + kind)


cdef uint64_t hash_name(Span name, uint8_t kind) noexcept nogil:
    cdef uint64_t h = first_hash()
    cdef uint32_t i
    for i in range(name.len):
        h = grow_hash(h, name.at[i])
    return key_of(h, kind)


cdef ThriftSlot *slot_of(const ThriftRouteTable *table, uint64_t key, uint8_t kind, Span name) noexcept nogil:
    # The slot of that kind and name, or the free one where it belongs.
    cdef uint32_t at = <uint32_t>key & table.mask
    cdef ThriftSlot *slot = &table.slots[at]
    while slot.route != NULL and not (slot.hash == key and slot.route.kind == kind and span_equal(slot.route.name, name)):
        at = (at + 1) & table.mask
        slot = &table.slots[at]
    return slot


cdef inline bint is_filed(const ThriftRoute *route) noexcept nogil:
    return route.name.len > 0 and not route.invert


cdef ThriftCandidates *home_of(ThriftRouteTable *table, const ThriftRoute *route) noexcept nogil:
    cdef ThriftSlot *slot
    cdef uint64_t key
    if not is_filed(route):
        return &table.rest
    key = hash_name(route.name, route.kind)
    slot = slot_of(table, key, route.kind, route.name)
    if slot.route == NULL:
        slot.hash = key
        slot.route = route
    return &slot.candidates


cdef bint index_values(ThriftRouteTable *table, ThriftCandidates *candidates, Conditions *conditions) noexcept nogil:
    cdef bint useless = False
    cdef uint32_t i
    if candidates.len < 2:
        return True
    for i in range(candidates.len):
        conditions[i].headers = table.routes[candidates.orders[i]].headers
        conditions[i].len = table.routes[candidates.orders[i]].headers_len
        conditions[i].order = candidates.orders[i]
    candidates.values = value_index_build(&table.arena, conditions, candidates.len, &useless)
    return candidates.values != NULL or useless


cdef bint file_routes(ThriftRouteTable *table, Conditions *conditions) noexcept nogil:
    # Counts, gives each list its room, fills them in order.
    cdef ThriftCandidates *home
    cdef uint32_t i
    for i in range(table.routes_len):
        home_of(table, &table.routes[i]).len += 1
    for i in range(table.routes_len):
        home = home_of(table, &table.routes[i])
        if home.orders == NULL:
            home.orders = <uint32_t *>arena_take(&table.arena, home.len * sizeof(uint32_t))
            if home.orders == NULL:
                return False
            home.len = 0
        home.orders[home.len] = i
        home.len += 1
    if not index_values(table, &table.rest, conditions):
        return False
    for i in range(table.mask + 1):
        if table.slots[i].route != NULL and not index_values(table, &table.slots[i].candidates, conditions):
            return False
    return True


cdef bint thrift_table_index(ThriftRouteTable *table) noexcept nogil:
    cdef Conditions *conditions
    cdef uint32_t cap = 8
    cdef bint filed = False
    while cap < table.routes_len * 2:
        cap *= 2
    table.slots = <ThriftSlot *>arena_take(&table.arena, cap * sizeof(ThriftSlot))
    if table.slots == NULL:
        return False
    memset(table.slots, 0, cap * sizeof(ThriftSlot))
    table.mask = cap - 1
    conditions = <Conditions *>calloc(table.routes_len + 1, sizeof(Conditions))
    if conditions != NULL:
        filed = file_routes(table, conditions)
    free(conditions)
    return filed


# --- finding --------------------------------------------------------------------------------------------------------


cdef bint name_matches(const ThriftRoute *route, Span name) noexcept nogil:
    if route.name.len == 0:
        return True
    if route.kind == THRIFT_MATCH_SERVICE and name.len > route.name.len:
        name = span(name.at, route.name.len)
    return span_equal(name, route.name)


cdef uint32_t first_in(const ThriftRouteTable *table, const uint32_t *orders, uint32_t n, uint32_t best, Span name,
                       Head *headers) noexcept nogil:
    # The first before `best` that takes the call, or `best`.
    cdef const ThriftRoute *route
    cdef uint32_t i
    for i in range(n):
        if orders[i] >= best:
            break
        route = &table.routes[orders[i]]
        if name_matches(route, name) != route.invert and headers_match_all(route.headers, route.headers_len, headers) and \
                (route.cluster_header.len == 0 or head_find_name(headers, route.cluster_header) != NULL):
            return orders[i]
    return best


cdef uint32_t first_of(const ThriftRouteTable *table, const ThriftCandidates *candidates, uint32_t best, Span name,
                       Head *headers) noexcept nogil:
    cdef ValueWalk walk
    cdef const ValueSlot *slot
    if candidates.values == NULL:
        return first_in(table, candidates.orders, candidates.len, best, name, headers)
    value_walk_start(&walk, candidates.values, headers)
    while True:
        slot = value_walk_next(&walk)
        if slot == NULL:
            return first_in(table, candidates.values.rest, candidates.values.rest_len, best, name, headers)
        best = first_in(table, slot.orders, slot.len, best, name, headers)


cdef const ThriftRoute *thrift_route_find(const ThriftRouteTable *table, Span name, Head *headers) noexcept nogil:
    cdef const ThriftSlot *slot
    cdef uint32_t best = first_of(table, &table.rest, NONE, name, headers)
    cdef uint64_t h = first_hash()
    cdef uint32_t i
    for i in range(name.len):
        h = grow_hash(h, name.at[i])
        if name.at[i] == COLON:
            slot = slot_of(table, key_of(h, THRIFT_MATCH_SERVICE), THRIFT_MATCH_SERVICE, span(name.at, i + 1))
            if slot.route != NULL:
                best = first_of(table, &slot.candidates, best, name, headers)
    slot = slot_of(table, key_of(h, THRIFT_MATCH_METHOD), THRIFT_MATCH_METHOD, name)
    if slot.route != NULL:
        best = first_of(table, &slot.candidates, best, name, headers)
    return &table.routes[best] if best != NONE else NULL


cdef Span thrift_route_cluster(const ThriftRoute *route, Head *headers, uint64_t random, ClusterChoice **choice) noexcept nogil:
    cdef Header *header
    choice[0] = NULL
    if route.cluster_header.len > 0:
        header = head_find_name(headers, route.cluster_header)
        return header_value(header) if header != NULL else span(NULL, 0)
    choice[0] = choice_at(route.choices, route.choices_len, route.total_weight, random)
    return choice[0].name


cdef Span thrift_route_name(const ThriftRoute *route, Span name) noexcept nogil:
    cdef Span service
    cdef Span method
    if not route.strip_service_name:
        return name
    thrift_name_split(name, &service, &method)
    return method
