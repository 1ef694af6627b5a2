"""Finalize: the order of mutations; see finalize.pxd for the law. `choice` may be NULL (redirects, direct responses)."""
from meshcore.route.mutation cimport Mutation, mutate_request, mutate_response


cdef inline const Mutation *nth(const Route *route, int i) noexcept nogil:
    return route.mutations[route.mutations_len - 1 - i if route.host.table.most_specific_wins else i]


cdef bint route_mutate_request(const Route *route, const ClusterChoice *choice, Head *head, Record *record) noexcept nogil:
    cdef int i
    if choice != NULL and choice.mutation != NULL and not mutate_request(choice.mutation, head, record):
        return False
    for i in range(route.mutations_len):
        if not mutate_request(nth(route, i), head, record):
            return False
    return True


cdef bint route_mutate_response(const Route *route, const ClusterChoice *choice, Head *head, Record *record) noexcept nogil:
    cdef int i
    if choice != NULL and choice.mutation != NULL and not mutate_response(choice.mutation, head, record):
        return False
    for i in range(route.mutations_len):
        if not mutate_response(nth(route, i), head, record):
            return False
    return True
