"""Route hash. See route_hash.pxd for the law."""
from libc.stdint cimport uint64_t

from meshcore.base.arena cimport arena_take
from meshcore.base.span cimport span
from meshcore.codec.head cimport head_add_copy
from meshcore.proxy.objects cimport *
from meshcore.route.hash_policy cimport HashAnswer, HashPolicy, HashSource, SetCookie, hash_policy_run


cdef HashAnswer *answer_of(Stream *stream, const HashPolicy *policy) noexcept nogil:
    cdef HashAnswer *answer
    cdef HashSource source
    if policy == NULL:
        return NULL
    answer = <HashAnswer *>arena_take(&stream.arena, sizeof(HashAnswer))
    if answer == NULL:
        return NULL
    source.request = &stream.request
    source.remote = stream.record.downstream_remote
    source.peer = stream.record.downstream_direct_remote
    source.local = stream.record.downstream_local
    source.state = &stream.record.filter_state
    source.arena = &stream.arena
    hash_policy_run(policy, &source, answer)
    return answer


cdef void route_hash_fill(Stream *stream, ClusterLocal *cluster, Pick *pick) noexcept nogil:
    cdef const HashPolicy *policy = cluster.conf.lb.hash_policy
    if policy == NULL:
        policy = cluster.conf.hash
    if stream.hash == NULL:
        stream.hash = answer_of(stream, stream.http.route.hash if policy == NULL else policy)
    if stream.hash != NULL:
        pick.hash = stream.hash.hash
        pick.has_hash = stream.hash.found


cdef uint64_t route_hash_weight(Stream *stream, const Route *route) noexcept nogil:
    cdef HashAnswer *answer = answer_of(stream, route.hash)
    return stream.random if answer == NULL or not answer.found else answer.hash


cdef void route_hash_cookies(Stream *stream, Head *response) noexcept nogil:
    cdef SetCookie *cookie = stream.hash.cookies
    while cookie != NULL:
        head_add_copy(response, span(b"set-cookie", 10), cookie.value)
        cookie = cookie.next
