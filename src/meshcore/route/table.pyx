"""Route table: life cycle, virtual host by name, first matching route; see table.pxd for the law.

`route_find` asks two path indexes (letter case counts, and does not), takes the earliest route that is sure to match as the bound,
and checks only those candidates before it whose path already matches. So the answer is that of a walk in configured order, and
conditions are evaluated for few routes. Regular expressions are filed under the literal text that they begin with.
"""
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from meshcore.base.arena cimport arena_fini, arena_init, arena_take
from meshcore.base.atomics cimport atomic_add, atomic_load, atomic_unref
from meshcore.base.prefetch cimport prefetch
from meshcore.base.runtime cimport runtime_hits, runtime_integer
from meshcore.base.span cimport parse_u64, span, span_find, span_is, span_is_nocase
from meshcore.codec.head cimport H_CONTENT_TYPE, Header, head_find_name, head_next, head_value
from meshcore.route.domain_index cimport DomainIndex, NO_HOST, domain_index_build, domain_index_find
from meshcore.route.host_index cimport HostIndex, host_index_build
from meshcore.route.match_tree cimport match_tree_find
from meshcore.route.matcher cimport header_first_value, headers_match_all, queries_match_all
from meshcore.route.path_index cimport NO_ORDER, OrderList, PathHit, PathNode, path_index_find
from meshcore.route.regex cimport regex_free_all, regex_full
from meshcore.route.rewrite cimport path_alone, redirect_location, rewrite_path
from meshcore.route.scope_index cimport ScopeIndex, scope_index_find, scope_index_fini
from meshcore.route.stream_matcher cimport stream_matches
from meshcore.route.value_index cimport ValueSlot, ValueWalk, value_walk_next, value_walk_start

cdef enum:
    LINE = 64                      # bytes of the cache that come together

cdef struct Asked:
    # What a request offers to conditions, the same for all candidates.
    Head *request
    const Record *record
    Span whole                     # the path without its query
    Span path                      # ... and without its parameters, where they do not count
    uint64_t random

cdef int64_t live_tables = 0       # atomic


cdef int64_t route_tables_live() noexcept nogil:
    return atomic_load(&live_tables)


cdef RouteTable *route_table_new() noexcept nogil:
    cdef RouteTable *table = <RouteTable *>malloc(sizeof(RouteTable))
    if table != NULL:
        memset(table, 0, sizeof(RouteTable))
        arena_init(&table.arena, NULL)
        table.refs = 1
        atomic_add(&live_tables, 1)
    return table


cdef void route_table_unref(RouteTable *table) noexcept nogil:
    if table != NULL and atomic_unref(&table.refs) == 0:
        scope_index_fini(<ScopeIndex *>table.scopes)
        regex_free_all(&table.regexes)
        arena_fini(&table.arena)
        free(table)
        atomic_add(&live_tables, -1)


cdef bint index_host(RouteTable *table, VirtualHost *host) noexcept nogil:
    cdef RouteRange whole
    cdef uint32_t i
    whole.first = 0
    whole.len = host.routes_len
    if host.tree == NULL:
        host.index = host_index_build(table, host, whole)
        return host.index != NULL
    for i in range(host.lists_len):
        host.lists[i].index = host_index_build(table, host, host.lists[i])
        if host.lists[i].index == NULL:
            return False
    return True


cdef bint changes_target(const Route *route) noexcept nogil:
    cdef const Rewrite *path = &route.rewrite
    return (
        path.prefix.len > 0 or path.path.len > 0 or path.regex != NULL or path.format != NULL or route.host_rewrite.len > 0
        or route.host_rewrite_header.len > 0 or route.host_regex != NULL or route.host_format != NULL
    )


cdef bint route_table_index(RouteTable *table) noexcept nogil:
    cdef DomainIndex *domains = <DomainIndex *>arena_take(&table.arena, sizeof(DomainIndex))
    cdef uint32_t i, j
    if domains == NULL or not domain_index_build(domains, &table.arena, table.names, table.names_len):
        return False
    table.domains = domains
    for i in range(table.hosts_len):
        table.hosts[i].table = table
        for j in range(table.hosts[i].routes_len):
            table.hosts[i].routes[j].order = j
            table.hosts[i].routes[j].host = &table.hosts[i]
            table.hosts[i].routes[j].rewrites = changes_target(&table.hosts[i].routes[j])
        if not index_host(table, &table.hosts[i]):
            return False
    return True


cdef Span without_port(Span authority) noexcept nogil:
    # An IPv6 literal stands in brackets; a colon inside them is no port.
    cdef uint32_t i = authority.len
    while i > 0:
        i -= 1
        if authority.at[i] == 93:
            return authority
        if authority.at[i] == 58:
            authority.len = i
            return authority
    return authority


cdef VirtualHost *host_find(const RouteTable *table, Span authority) noexcept nogil:
    cdef const DomainIndex *domains = <const DomainIndex *>table.domains
    cdef uint32_t found
    if authority.at == NULL and not domains.only_any:
        return NULL
    if table.ignore_port:
        authority = without_port(authority)
    found = domain_index_find(domains, authority)
    if found == NO_HOST:
        return NULL
    prefetch(table.hosts[found].index)
    return &table.hosts[found]


cdef const RouteTable *route_table_of(const RouteTable *table, Head *request) noexcept nogil:
    return table if table.scopes == NULL else scope_index_find(<const ScopeIndex *>table.scopes, request)


cdef VirtualHost *host_of(const RouteTable *table, Head *request) noexcept nogil:
    cdef Span name
    table = route_table_of(table, request)
    if table == NULL:
        return NULL
    if table.vhost_header.len == 0:
        return host_find(table, request.authority)
    return host_find(table, name) if header_first_value(request, table.vhost_header, &name) else NULL


cdef VirtualCluster *virtual_cluster(const VirtualHost *host, Head *request) noexcept nogil:
    cdef VirtualCluster *cluster
    cdef uint16_t i
    for i in range(host.clusters_len):
        cluster = &host.clusters[i]
        if headers_match_all(cluster.headers, cluster.headers_len, request):
            return cluster
    return NULL


cdef bint request_is_grpc(Head *request) noexcept nogil:
    cdef Span kind = head_value(request, H_CONTENT_TYPE)
    return kind.len >= 16 and span_is(span(kind.at, 16), b"application/grpc", 16) and (
        kind.len == 16 or kind.at[16] == 43)


cdef bint conditions_hold(const Route *route, const Asked *asked) noexcept nogil:
    if route.fraction.denominator != 0 and not runtime_hits(&route.fraction, asked.random):
        return False
    if route.grpc and not request_is_grpc(asked.request):
        return False
    if not headers_match_all(route.headers, route.headers_len, asked.request):
        return False
    if route.path_kind == PATH_REGEX and not regex_full(route.regex, asked.whole if route.whole_path else asked.path):
        return False
    if route.stream != NULL and not stream_matches(route.stream, asked.record):
        return False
    return queries_match_all(route.query, route.query_len, asked.request.path)


cdef uint32_t first_of(const VirtualHost *host, const uint32_t *orders, uint32_t n, uint32_t best, const Asked *asked) noexcept nogil:
    # The first candidate before `best` whose conditions hold; otherwise `best`.
    cdef uint32_t i
    for i in range(n):
        if orders[i] >= best:
            break
        if conditions_hold(&host.routes[orders[i]], asked):
            return orders[i]
    return best


cdef uint32_t first_in(const VirtualHost *host, const OrderList *list, uint32_t best, const Asked *asked) noexcept nogil:
    cdef ValueWalk walk
    cdef const ValueSlot *slot
    if list.by_value == NULL:
        return first_of(host, list.orders, list.len, best, asked)
    value_walk_start(&walk, list.by_value, asked.request)
    slot = value_walk_next(&walk)
    while slot != NULL:
        best = first_of(host, slot.orders, slot.len, best, asked)
        slot = value_walk_next(&walk)
    return first_of(host, list.by_value.rest, list.by_value.rest_len, best, asked)


cdef uint32_t first_at(const VirtualHost *host, PathHit hit, uint32_t best, const Asked *asked) noexcept nogil:
    cdef const PathNode *node = hit.node
    if hit.exact:
        best = first_in(host, &node.exactly, best, asked)
    best = first_in(host, &node.begins, best, asked)
    while node.above_first < best:
        node = node.above
        best = first_in(host, &node.begins, best, asked)
    return best


cdef inline uint32_t sure_at(PathHit hit, uint32_t best) noexcept nogil:
    if hit.node.begins.sure < best:
        best = hit.node.begins.sure
    if hit.exact and hit.node.exactly.sure < best:
        best = hit.node.exactly.sure
    return best


cdef bint is_connect(Head *request) noexcept nogil:
    return span_is(request.method, b"CONNECT", 7) or span_is_nocase(request.protocol, b"connect-udp", 11)


cdef Span without_parameters(Span path, Arena *arena) noexcept nogil:
    # RFC 3986, 3.3: what follows a ";" in a segment is its parameters.
    cdef char *text
    cdef uint32_t i
    cdef uint32_t n = 0
    cdef bint skipping = False
    if span_find(path, 59) < 0:
        return path
    text = <char *>arena_take(arena, path.len)
    if text == NULL:
        return path
    for i in range(path.len):
        if path.at[i] == 47:
            skipping = False
        elif path.at[i] == 59:
            skipping = True
        if not skipping:
            text[n] = path.at[i]
            n += 1
    return span(text, n)


cdef Route *route_in(const VirtualHost *host, const HostIndex *index, Asked *asked) noexcept nogil:
    cdef Head *request = asked.request
    cdef PathHit cased, caseless
    cdef uint32_t best = NO_ORDER
    asked.whole = asked.path = path_alone(request.path)
    if index.cut_parameters:
        asked.path = without_parameters(asked.path, request.arena)
    cased.node = caseless.node = NULL
    cased.exact = caseless.exact = False
    if index.cased.root != NULL and request.path.len > 0:
        cased = path_index_find(&index.cased, asked.path)
        best = sure_at(cased, best)
    if index.caseless.root != NULL and request.path.len > 0:
        caseless = path_index_find(&index.caseless, asked.path)
        best = sure_at(caseless, best)
    if cased.node != NULL:
        best = first_at(host, cased, best, asked)
    if caseless.node != NULL:
        best = first_at(host, caseless, best, asked)
    if index.connects_len > 0 and is_connect(request):
        best = first_of(host, index.connects, index.connects_len, best, asked)
    if best == NO_ORDER:
        return NULL
    prefetch(<char *>&host.routes[best] + LINE)
    prefetch(<char *>&host.routes[best] + 2 * LINE)
    prefetch(host.routes[best].choices)
    return &host.routes[best]


cdef Route *route_find(const VirtualHost *host, Head *request, const Record *record, uint64_t random) noexcept nogil:
    cdef Asked asked
    cdef uint32_t chosen
    asked.request = request
    asked.record = record
    asked.random = random
    if host.tree == NULL:
        return route_in(host, <const HostIndex *>host.index, &asked)
    if not match_tree_find(host.tree, request, record, &chosen):
        return NULL
    return route_in(host, <const HostIndex *>host.lists[chosen].index, &asked)


cdef inline uint64_t weight_of(const ClusterChoice *choice) noexcept nogil:
    return <uint64_t>runtime_integer(choice.weight_now, choice.weight)


cdef ClusterChoice *choose_by_runtime(const Route *route, uint64_t random) noexcept nogil:
    # Weights may change between two looks at them; then the last choice has the rest.
    cdef uint64_t total = 0
    cdef uint64_t at
    cdef uint16_t i
    for i in range(route.choices_len):
        total += weight_of(&route.choices[i])
    at = random % total if total > 0 else 0
    for i in range(route.choices_len):
        if at < weight_of(&route.choices[i]):
            return &route.choices[i]
        at -= weight_of(&route.choices[i])
    return &route.choices[route.choices_len - 1]


cdef ClusterChoice *route_choose(const Route *route, uint64_t random) noexcept nogil:
    if route.choices_len <= 1:
        return route.choices
    if route.runtime_weights:
        return choose_by_runtime(route, random)
    return choice_at(route.choices, route.choices_len, route.total_weight, random)


cdef ClusterChoice *route_choose_for(const Route *route, Head *request, uint64_t random) noexcept nogil:
    # Only a header that stands there once and holds a number decides; otherwise chance does.
    cdef Header *header
    cdef Span value
    cdef uint64_t wanted
    if route.choices_len > 1 and route.weight_header.len > 0 and header_first_value(request, route.weight_header, &value):
        header = head_find_name(request, route.weight_header)
        if (header == NULL or head_next(request, header) == NULL) and parse_u64(value, &wanted):
            random = wanted
    return route_choose(route, random)


cdef Span route_rewrite_path(const Route *route, Span path, Arena *arena) noexcept nogil:
    return rewrite_path(route, path, arena)


cdef Span route_redirect_location(const Route *route, Head *request, Arena *arena) noexcept nogil:
    return redirect_location(route, request, arena)
