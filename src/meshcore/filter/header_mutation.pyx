"""Header mutation; see header_mutation.pxd. The filter's own changes come first, then those of the route's levels: from the route to the
table, or the other way round where the most specific wins, because what comes last stays."""
from libc.stdint cimport uint8_t, uint32_t

from meshcore.codec.head cimport Head, head_drop_at, header_name
from meshcore.filter.http cimport *
from meshcore.route.matcher cimport string_matches
from meshcore.route.mutation cimport mutate_request, mutate_response
from meshcore.route.query_change cimport query_change_all

cdef enum Part:
    REQUEST
    RESPONSE
    REQUEST_TRAILERS
    RESPONSE_TRAILERS


cdef void remove_matching(const StringMatcher *names, Head *head) noexcept nogil:
    cdef uint16_t i
    for i in range(head.len):
        if not head.headers[i].dropped and string_matches(names, header_name(&head.headers[i])):
            head_drop_at(head, i)


cdef void change(HttpStream *stream, const MutationLevel *level, int part, Head *head) noexcept nogil:
    cdef const Changes *list = &level.request
    cdef uint16_t i
    if part == RESPONSE:
        list = &level.response
    elif part == REQUEST_TRAILERS:
        list = &level.request_trailers
    elif part == RESPONSE_TRAILERS:
        list = &level.response_trailers
    for i in range(list.len):
        if list.changes[i].removes_matching:
            remove_matching(&list.changes[i].names, head)
        elif part == REQUEST or part == REQUEST_TRAILERS:
            mutate_request(&list.changes[i].mutation, head, stream.record)
        else:
            mutate_response(&list.changes[i].mutation, head, stream.record)


cdef void change_all(HttpStream *stream, uint8_t n, int part, Head *head) noexcept nogil:
    cdef const HeaderMutationConf *conf = <const HeaderMutationConf *>filter_settings(stream, n)
    cdef uint16_t i
    for i in range(conf.levels_len):
        change(stream, &conf.levels[i], part, head)
        if part == REQUEST and conf.levels[i].query_len > 0:
            query_change_all(conf.levels[i].query, conf.levels[i].query_len, head, stream.record)


cdef int on_request_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    if not (<const HeaderMutationConf *>filter_settings(stream, n)).trailers:
        stream.request_bodies &= ~(<uint32_t>1 << n)
        stream.response_bodies &= ~(<uint32_t>1 << n)
    change_all(stream, n, REQUEST, stream.request)
    return FILTER_CONTINUE


cdef int on_request_trailers(HttpStream *stream, uint8_t n, Head *trailers) noexcept nogil:
    if trailers != NULL:
        change_all(stream, n, REQUEST_TRAILERS, trailers)
    return FILTER_CONTINUE


cdef int on_response_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    change_all(stream, n, RESPONSE, stream.response)
    return FILTER_CONTINUE


cdef int on_response_trailers(HttpStream *stream, uint8_t n, Head *trailers) noexcept nogil:
    if trailers != NULL:
        change_all(stream, n, RESPONSE_TRAILERS, trailers)
    return FILTER_CONTINUE


cdef HttpFilterOps ops
ops.kind = b"envoy.filters.http.header_mutation"
ops.on_request_head = on_request_head
ops.on_request_data = NULL
ops.on_request_trailers = on_request_trailers
ops.on_response_head = on_response_head
ops.on_response_data = NULL
ops.on_response_trailers = on_response_trailers
ops.on_log = NULL
ops.on_destroy = NULL


cdef const HttpFilterOps *header_mutation_filter() noexcept nogil:
    return &ops
