"""Builds the index of a list of routes; see host_index.pxd. Main thread, once per list."""
from libc.stdint cimport uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from meshcore.base.arena cimport Arena, arena_take
from meshcore.base.span cimport Span, span
from meshcore.route.path_build cimport path_index_build
from meshcore.route.path_index cimport OrderList, PathKey
from meshcore.route.table cimport PATH_CONNECT, PATH_EXACT, PATH_REGEX, PATH_SEPARATED_PREFIX, Route
from meshcore.route.value_index cimport Conditions, value_index_build

cdef enum:
    MANY_CANDIDATES = 8            # from here on an index by header value pays


cdef bint is_sure(const Route *route) noexcept nogil:
    return not (
        route.headers_len or route.query_len or route.fraction.denominator or route.grpc or route.stream != NULL
        or route.path_kind == PATH_REGEX
    )


cdef void add_key(PathKey *keys, uint32_t *n, const Route *route, Span text, bint exact) noexcept nogil:
    keys[n[0]].text = text
    keys[n[0]].order = route.order
    keys[n[0]].exact = exact
    keys[n[0]].sure = is_sure(route)
    n[0] += 1


cdef uint32_t collect_keys(
    const VirtualHost *host, RouteRange part, bint caseless, PathKey *keys, Arena *arena, bint *enough
) noexcept nogil:
    cdef const Route *route
    cdef char *slashed
    cdef uint32_t n = 0
    cdef uint32_t i, j
    for i in range(part.first, part.first + part.len):
        route = &host.routes[i]
        if route.path_kind == PATH_CONNECT:
            continue
        if route.path_kind == PATH_REGEX:
            # Whatever case_sensitive says: a regular expression carries its own rule.
            if not caseless:
                add_key(keys, &n, route, route.guard, False)
            continue
        if route.case_sensitive == caseless:
            continue
        if route.path_kind == PATH_SEPARATED_PREFIX:
            # "/a" alone, or "/a/" and what follows: two keys, no further condition.
            add_key(keys, &n, route, route.path, True)
            slashed = <char *>arena_take(arena, route.path.len + 1)
            if slashed == NULL:
                enough[0] = False
                return n
            for j in range(route.path.len):
                slashed[j] = route.path.at[j]
            slashed[route.path.len] = 47
            add_key(keys, &n, route, span(slashed, route.path.len + 1), False)
        else:
            add_key(keys, &n, route, route.path, route.path_kind == PATH_EXACT)
    return n


cdef bint index_values(OrderList *list, const VirtualHost *host, Arena *arena) noexcept nogil:
    cdef Conditions *candidates
    cdef const Route *route
    cdef uint32_t i
    cdef bint useless = False
    if list.len < MANY_CANDIDATES:
        return True
    candidates = <Conditions *>malloc(list.len * sizeof(Conditions))
    if candidates == NULL:
        return False
    for i in range(list.len):
        route = &host.routes[list.orders[i]]
        candidates[i].headers = route.headers
        candidates[i].len = route.headers_len
        candidates[i].order = list.orders[i]
    list.by_value = value_index_build(arena, candidates, list.len, &useless)
    free(candidates)
    return list.by_value != NULL or useless


cdef bint index_nodes(PathIndex *index, const VirtualHost *host, Arena *arena) noexcept nogil:
    cdef uint32_t i
    for i in range(index.nodes_len):
        if not index_values(&index.root[i].begins, host, arena) or not index_values(&index.root[i].exactly, host, arena):
            return False
    return True


cdef bint index_connects(HostIndex *index, const VirtualHost *host, RouteRange part, Arena *arena) noexcept nogil:
    cdef uint32_t n = 0
    cdef uint32_t i
    cdef uint32_t *orders
    for i in range(part.first, part.first + part.len):
        n += host.routes[i].path_kind == PATH_CONNECT
    if n == 0:
        return True
    orders = <uint32_t *>arena_take(arena, n * sizeof(uint32_t))
    if orders == NULL:
        return False
    n = 0
    for i in range(part.first, part.first + part.len):
        if host.routes[i].path_kind == PATH_CONNECT:
            orders[n] = i
            n += 1
    index.connects = orders
    index.connects_len = n
    return True


cdef HostIndex *host_index_build(RouteTable *table, const VirtualHost *host, RouteRange part) noexcept nogil:
    cdef HostIndex *index = <HostIndex *>arena_take(&table.arena, sizeof(HostIndex))
    cdef PathKey *keys = <PathKey *>malloc((2 * <size_t>part.len + 1) * sizeof(PathKey))
    cdef bint enough = index != NULL and keys != NULL
    cdef uint32_t n
    if enough:
        memset(index, 0, sizeof(HostIndex))
        index.cut_parameters = table.ignore_path_parameters
        index.caseless.ignore_case = True
        n = collect_keys(host, part, False, keys, &table.arena, &enough)
        enough = enough and path_index_build(&index.cased, &table.arena, keys, n)
        enough = enough and index_nodes(&index.cased, host, &table.arena)
    if enough:
        n = collect_keys(host, part, True, keys, &table.arena, &enough)
        enough = enough and path_index_build(&index.caseless, &table.arena, keys, n)
        enough = enough and index_nodes(&index.caseless, host, &table.arena)
    enough = enough and index_connects(index, host, part, &table.arena)
    free(keys)
    return index if enough else NULL
