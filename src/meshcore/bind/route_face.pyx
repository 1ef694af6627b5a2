"""RouteTableFace: the compiled route table as a Python object, for tests, benchmarks and `mesh explain`.

Not on the data path. Each call builds a head in an arena of its own, asks the engine's own functions, and copies the answer.
"""
import time
from typing import NamedTuple

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from meshcore.base.arena cimport Arena, arena_fini, arena_init
from meshcore.base.span cimport Span, span
from meshcore.bind.filter_set cimport FilterSet
from meshcore.bind.matchers cimport keep, keep_lower, take
from meshcore.bind.metadata cimport filter_state_fill, metadata_fill
from meshcore.bind.routes cimport routes_compile
from meshcore.bind.runtime cimport RuntimeCells
from meshcore.codec.head cimport HTTP_11, Head, Header, head_add, head_identify, head_init, header_name, header_value
from meshcore.observe.ip cimport address_parse
from meshcore.observe.record cimport IpAddress, Record
from meshcore.route.finalize cimport route_mutate_request, route_mutate_response
from meshcore.route.rewrite cimport tls_location
from meshcore.route.table cimport (
    ClusterChoice, RetryPolicy, Route, RouteTable, VirtualHost, host_find, host_of, route_choose_for, route_find, route_redirect_location,
    route_rewrite_path, route_table_unref, route_tables_live,
)


cdef Record _nothing               # of a stream of which nothing is known but its head


class Found(NamedTuple):
    """`index` is the route's position in its virtual host; `cluster` is "" where the route does not forward to a named one."""

    virtual_host: str
    index: int
    name: str
    cluster: str


class Retry(NamedTuple):
    on: int
    num_retries: int
    status_codes: tuple[int, ...]


def live_tables() -> int:
    """How many compiled route tables exist in this process."""
    return route_tables_live()


cdef str text_of(Span s):
    return s.at[:s.len].decode("utf-8", "surrogateescape") if s.len > 0 else ""


cdef Span optional(Arena *arena, object text) except *:
    return span(NULL, 0) if text is None else keep(arena, text)


cdef int fill_head(Head *head, Arena *arena, authority, path, headers, method, scheme) except -1:
    cdef Span name, value
    head_init(head, arena, False)
    head.method = optional(arena, method)
    head.path = optional(arena, path)
    head.authority = optional(arena, authority)
    head.scheme = optional(arena, scheme)
    for key, text in headers:
        name = keep_lower(arena, key)
        value = keep(arena, text)
        if head_add(head, name, value, head_identify(name.at, name.len)) == NULL:
            raise MemoryError
    return 0


cdef IpAddress *fill_address(Arena *arena, object text) except? NULL:
    # "1.2.3.4:80" or "[::1]:80"; None: NULL.
    cdef IpAddress *address
    if text is None:
        return NULL
    address = <IpAddress *>take(arena, sizeof(IpAddress))
    host, _, port = text.rpartition(":")
    if not address_parse(keep(arena, host.strip("[]")), address):
        raise ValueError(f"{text!r} is no address with a port")
    address.port = int(port)
    return address


cdef int fill_stream(Record *record, Arena *arena, dict facts) except -1:
    memset(record, 0, sizeof(Record))
    metadata_fill(arena, facts.get("metadata", {}), &record.metadata)
    filter_state_fill(arena, facts.get("filter_state", {}), &record.filter_state)
    record.peer_presented = facts.get("peer_presented", False)
    record.peer_validated = facts.get("peer_validated", False)
    record.downstream_remote = fill_address(arena, facts.get("downstream_remote"))
    record.downstream_direct_remote = fill_address(arena, facts.get("downstream_direct_remote"))
    record.downstream_local = fill_address(arena, facts.get("downstream_local"))
    return 0


cdef list headers_of(Head *head):
    cdef Header *header
    cdef uint32_t i
    found = []
    for i in range(head.len):
        header = &head.headers[i]
        if not header.dropped:
            found.append((text_of(header_name(header)), text_of(header_value(header))))
    return found


cdef class RouteTableFace:
    """One compiled table; `spec` is a `meshcore.bind.spec.RouteTable`, `runtime` says what runtime keys hold (spec.RuntimeValue)."""

    cdef RouteTable *table
    cdef RuntimeCells cells        # what the table points into

    def __cinit__(self, spec, runtime=None):
        self.cells = RuntimeCells()
        self.table = routes_compile(spec, self.cells, FilterSet.__new__(FilterSet))
        self.cells.set(runtime or {})

    def __dealloc__(self):
        route_table_unref(self.table)

    cdef Route *locate(self, Head *head, uint64_t random, const Record *record=&_nothing) noexcept:
        cdef VirtualHost *host = host_of(self.table, head)
        return route_find(host, head, record, random) if host != NULL else NULL

    def host(self, authority: str | None) -> str | None:
        """The name of the virtual host that serves `authority`."""
        cdef Arena arena
        cdef VirtualHost *host
        arena_init(&arena, NULL)
        try:
            host = host_find(self.table, optional(&arena, authority))
            return text_of(host.name) if host != NULL else None
        finally:
            arena_fini(&arena)

    def find(self, authority, path, headers=(), method="GET", random=0, scheme="http", stream=None) -> Found | None:
        """The first route of the request; `headers` are (name, value) pairs, `random` decides fractions and weights. `stream`: what else is
        known, a dict of metadata, filter_state, peer_presented, peer_validated and the addresses (downstream_remote, ..)."""
        cdef Arena arena
        cdef Head head
        cdef Record record
        cdef Route *route
        cdef ClusterChoice *choice
        arena_init(&arena, NULL)
        try:
            fill_head(&head, &arena, authority, path, headers, method, scheme)
            fill_stream(&record, &arena, stream or {})
            route = self.locate(&head, random, &record)
            if route == NULL:
                return None
            choice = route_choose_for(route, &head, random)
            cluster = text_of(choice.name) if choice != NULL else ""
            return Found(text_of(route.host.name), route.order, text_of(route.name), cluster)
        finally:
            arena_fini(&arena)

    def rewrite(self, authority, path, headers=(), method="GET") -> str | None:
        """The path that goes upstream; None without a route."""
        cdef Arena arena
        cdef Head head
        cdef Route *route
        arena_init(&arena, NULL)
        try:
            fill_head(&head, &arena, authority, path, headers, method, "http")
            route = self.locate(&head, 0)
            return text_of(route_rewrite_path(route, head.path, &arena)) if route != NULL else None
        finally:
            arena_fini(&arena)

    def location(self, authority, path, headers=(), method="GET", scheme="http", tls=False) -> str | None:
        """The Location of the redirect that serves the request; with `tls` that of a virtual host that requires TLS."""
        cdef Arena arena
        cdef Head head
        cdef Route *route
        arena_init(&arena, NULL)
        try:
            fill_head(&head, &arena, authority, path, headers, method, scheme)
            if tls:
                return text_of(tls_location(&head, &arena))
            route = self.locate(&head, 0)
            return text_of(route_redirect_location(route, &head, &arena)) if route != NULL else None
        finally:
            arena_fini(&arena)

    def mutate_request(self, authority, path, headers=(), method="GET", random=0) -> list[tuple[str, str]] | None:
        """The request's headers after all mutations of its route."""
        cdef Arena arena
        cdef Head head
        cdef Record record
        cdef Route *route
        arena_init(&arena, NULL)
        memset(&record, 0, sizeof(Record))
        record.request = &head
        record.protocol = HTTP_11
        try:
            fill_head(&head, &arena, authority, path, headers, method, "http")
            route = self.locate(&head, random)
            if route == NULL:
                return None
            if not route_mutate_request(route, route_choose_for(route, &head, random), &head, &record):
                raise MemoryError
            return headers_of(&head)
        finally:
            arena_fini(&arena)

    def mutate_response(self, authority, path, response, status=200, headers=(), random=0) -> list[tuple[str, str]] | None:
        """The headers of `response` after all mutations of the route, those of the request (which operators may ask for) included."""
        cdef Arena arena
        cdef Head head, reply
        cdef Record record
        cdef Route *route
        cdef ClusterChoice *choice
        arena_init(&arena, NULL)
        memset(&record, 0, sizeof(Record))
        record.request = &head
        record.protocol = HTTP_11
        record.response = &reply
        record.status = status
        try:
            fill_head(&head, &arena, authority, path, headers, "GET", "http")
            fill_head(&reply, &arena, None, None, response, None, None)
            reply.is_response = True
            reply.status = status
            route = self.locate(&head, random)
            if route == NULL:
                return None
            choice = route_choose_for(route, &head, random)
            if not route_mutate_request(route, choice, &head, &record) or not route_mutate_response(route, choice, &reply, &record):
                raise MemoryError
            return headers_of(&reply)
        finally:
            arena_fini(&arena)

    def retry(self, authority, path) -> Retry | None:
        """The retry policy of the route; None without a policy or a route."""
        cdef Arena arena
        cdef Head head
        cdef Route *route
        cdef const RetryPolicy *policy
        arena_init(&arena, NULL)
        try:
            fill_head(&head, &arena, authority, path, (), "GET", "http")
            route = self.locate(&head, 0)
            if route == NULL or route.retry == NULL:
                return None
            policy = route.retry
            return Retry(policy.on, policy.num_retries, tuple([policy.codes[i] for i in range(policy.codes_len)]))
        finally:
            arena_fini(&arena)

    def find_many(self, requests, uint32_t rounds) -> tuple[int, float]:
        """Asks for each (authority, path[, headers]) `rounds` times without the GIL: how many were found, and nanoseconds per request."""
        cdef uint32_t n = len(requests)
        cdef Head *heads = <Head *>malloc((n + 1) * sizeof(Head))
        cdef Arena arena
        cdef uint64_t found = 0
        cdef uint32_t i, j
        cdef VirtualHost *host
        arena_init(&arena, NULL)
        try:
            if heads == NULL:
                raise MemoryError
            for i in range(n):
                authority, path, *headers = requests[i]
                fill_head(&heads[i], &arena, authority, path, headers[0] if headers else (), "GET", "http")
            before = time.perf_counter_ns()
            with nogil:
                for j in range(rounds):
                    for i in range(n):
                        host = host_find(self.table, heads[i].authority)
                        if host != NULL and route_find(host, &heads[i], &_nothing, j) != NULL:
                            found += 1
            spent = time.perf_counter_ns() - before
            return found, spent / max(1, n * rounds)
        finally:
            free(heads)
            arena_fini(&arena)
