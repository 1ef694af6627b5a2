"""Route hash. See route_hash.pxd for the law."""
from meshcore.base.arena cimport arena_take
from meshcore.base.span cimport span
from meshcore.codec.head cimport head_add_copy
from meshcore.proxy.objects cimport *
from meshcore.route.hash_policy cimport HashAnswer, HashPolicy, HashSource, SetCookie, hash_policy_run


cdef HashAnswer *answer_of(Stream *stream) noexcept nogil:
    cdef const HashPolicy *policy = stream.cluster.conf.lb.hash_policy
    cdef HashAnswer *answer
    cdef HashSource source
    if policy == NULL:
        policy = stream.http.route.hash
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


cdef void route_hash_fill(Stream *stream, Pick *pick) noexcept nogil:
    if stream.hash == NULL:
        stream.hash = answer_of(stream)
    if stream.hash != NULL:
        pick.hash = stream.hash.hash
        pick.has_hash = stream.hash.found


cdef void route_hash_cookies(Stream *stream, Head *response) noexcept nogil:
    cdef SetCookie *cookie = stream.hash.cookies
    while cookie != NULL:
        head_add_copy(response, span(b"set-cookie", 10), cookie.value)
        cookie = cookie.next
