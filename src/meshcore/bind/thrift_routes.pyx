"""Compiles Thrift route tables; and ThriftRouteFace, such a table as a Python object for tests and for explaining.

Not on the data path. Runs on the main thread under the GIL; a table lives until its last reference is gone.
"""
from libc.stdint cimport uint32_t, uint64_t

from meshcore.base.arena cimport Arena, arena_fini, arena_init
from meshcore.base.span cimport Span, span
from meshcore.bind.load_balancer cimport compile_criteria
from meshcore.bind.matchers cimport compile_headers, keep, keep_lower, take
from meshcore.bind.rate_limits cimport fill_rate_rules
from meshcore.bind.runtime cimport RuntimeCells
from meshcore.codec.head cimport Head, head_add, head_identify, head_init
from meshcore.route.matcher cimport SOURCE_HEADER, HeaderMatcher
from meshcore.route.table cimport ClusterChoice
from meshcore.route.thrift_table cimport *

from meshcore.bind.spec import WeightedCluster


cdef int compile_route(ThriftRouteTable *table, object spec, ThriftRoute *route, dict cluster_index, RuntimeCells cells) except -1:
    cdef HeaderMatcher *headers
    cdef uint32_t i
    if spec.method_name is not None:
        route.kind = THRIFT_MATCH_METHOD
        route.name = keep(&table.arena, spec.method_name)
    else:
        service = spec.service_name
        route.kind = THRIFT_MATCH_SERVICE
        route.name = keep(&table.arena, service + ":" if service and not service.endswith(":") else service)
    route.invert = spec.invert
    headers = compile_headers(&table.arena, &table.regexes, spec.headers, False, &route.headers_len)
    for i in range(route.headers_len):
        # No name is special here: a call has no path, and ":dest" is a header of the Twitter protocol.
        headers[i].source = SOURCE_HEADER
        headers[i].joins = False
    route.headers = headers
    route.strip_service_name = spec.strip_service_name
    route.criteria = compile_criteria(&table.arena, spec.metadata_match)
    compile_mirrors(table, spec.mirrors, route, cluster_index, cells)
    return compile_clusters(table, spec, route, cluster_index)


cdef int compile_mirrors(ThriftRouteTable *table, object specs, ThriftRoute *route, dict cluster_index, RuntimeCells cells) except -1:
    cdef ThriftMirror *mirrors
    if not specs:
        return 0
    mirrors = <ThriftMirror *>take(&table.arena, sizeof(ThriftMirror) * len(specs))
    for i, spec in enumerate(specs):
        mirrors[<int>i].cluster = keep(&table.arena, spec.cluster)
        mirrors[<int>i].index = cluster_index.setdefault(spec.cluster, len(cluster_index))
        if spec.fraction is not None:
            cells.fill(spec.fraction, &mirrors[<int>i].fraction)
    route.mirrors = mirrors
    route.mirrors_len = len(specs)
    return 0


cdef int compile_clusters(ThriftRouteTable *table, object spec, ThriftRoute *route, dict cluster_index) except -1:
    cdef uint32_t total = 0
    if spec.cluster_header:
        route.cluster_header = keep_lower(&table.arena, spec.cluster_header)
        return 0
    parts = spec.weighted or (WeightedCluster(spec.cluster, 1),)
    route.choices = <ClusterChoice *>take(&table.arena, len(parts) * sizeof(ClusterChoice))
    route.choices_len = len(parts)
    for i, part in enumerate(parts):
        total += <uint32_t>part.weight
        route.choices[<int>i].name = keep(&table.arena, part.cluster)
        route.choices[<int>i].index = cluster_index.setdefault(part.cluster, len(cluster_index))
        route.choices[<int>i].until = total
        route.choices[<int>i].criteria = compile_criteria(&table.arena, part.metadata_match or spec.metadata_match)
    route.total_weight = total
    return 0


cdef ThriftRouteTable *thrift_routes_compile(object spec, dict cluster_index, RuntimeCells cells, str node_cluster) except NULL:
    cdef ThriftRouteTable *table = thrift_table_new()
    cdef uint32_t i
    if table == NULL:
        raise MemoryError
    try:
        table.name = keep(&table.arena, spec.name)
        table.routes = <ThriftRoute *>take(&table.arena, len(spec.routes) * sizeof(ThriftRoute))
        table.routes_len = len(spec.routes)
        for i in range(table.routes_len):
            table.routes[i].order = i
            compile_route(table, spec.routes[i], &table.routes[i], cluster_index, cells)
            fill_rate_rules(&table.arena, &table.regexes, cells, spec.routes[i].rate_limits, node_cluster, "thrift", &table.routes[i].rate_rules)
        if not thrift_table_index(table):
            raise MemoryError
    except BaseException:
        thrift_table_unref(table)
        raise
    return table


def live_tables():
    """How many compiled tables exist in this process."""
    return thrift_tables_live()


cdef class ThriftRouteFace:
    """A compiled table. `find` answers (position of the route, cluster, name that goes on), or None."""

    cdef ThriftRouteTable *table

    def __cinit__(self, spec):
        self.table = thrift_routes_compile(spec, {}, RuntimeCells(), "")

    def __dealloc__(self):
        thrift_table_unref(self.table)

    def find(self, bytes name, headers=(), *, uint64_t random=0):
        cdef Arena arena
        cdef Head head
        cdef Span key
        cdef Span cluster
        cdef ClusterChoice *choice
        cdef const ThriftRoute *route
        cdef Span called = span(<const char *>name, len(name))
        arena_init(&arena, NULL)
        try:
            head_init(&head, &arena, False)
            for header, value in headers:
                key = keep_lower(&arena, header)
                if head_add(&head, key, keep(&arena, value), head_identify(key.at, key.len)) == NULL:
                    raise MemoryError
            route = thrift_route_find(self.table, called, &head)
            if route == NULL:
                return None
            cluster = thrift_route_cluster(route, &head, random, &choice)
            called = thrift_route_name(route, called)
            return route.order, cluster.at[:cluster.len].decode() if cluster.len > 0 else "", called.at[:called.len]
        finally:
            arena_fini(&arena)
