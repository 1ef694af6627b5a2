"""RBAC; see rbac.pxd for the law."""
from libc.stdint cimport uint8_t
from libc.string cimport memset

from meshcore.base.span cimport span
from meshcore.filter.http cimport *
from meshcore.observe.counters cimport stat_inc
from meshcore.observe.metadata cimport META_BOOL, META_TEXT, MetaValue, meta_make, metadata_namespace
from meshcore.route.access_rules cimport AccessAnswer, AccessFacts, access_ask, access_details

cdef Span NAMESPACE = span(b"envoy.filters.http.rbac", 23)
cdef Span SHARED = span(b"envoy.common", 12)


cdef MetaValue *fact(HttpStream *stream, Span namespace, Span key) noexcept nogil:
    # NULL: no memory.
    cdef MetaValue *into = metadata_namespace(&stream.record.metadata, stream.arena, namespace)
    cdef MetaValue *value = meta_make(into, stream.arena, key) if into != NULL else NULL
    if value != NULL:
        memset(value, 0, sizeof(MetaValue))
    return value


cdef void tell(HttpStream *stream, Span key, Span text) noexcept nogil:
    cdef MetaValue *value = fact(stream, NAMESPACE, key)
    if value != NULL:
        value.kind = META_TEXT
        value.text = text


cdef void hint(HttpStream *stream, bint on) noexcept nogil:
    cdef MetaValue *value = fact(stream, SHARED, span(b"access_log_hint", 15))
    if value != NULL:
        value.kind = META_BOOL
        value.flag = on


cdef bint passes(HttpStream *stream, const RbacSide *side, const AccessFacts *facts, AccessAnswer *answer) noexcept nogil:
    cdef int says
    access_ask(side.rules, facts, answer)
    says = RBAC_SAYS_YES if answer.allowed else RBAC_SAYS_NO
    stat_inc(stream.stats, side.stats[says])
    if side.of_policy != NULL and answer.place >= 0:
        stat_inc(stream.stats, side.of_policy[RBAC_STATS * answer.place + says])
    if answer.policy.len > 0:
        tell(stream, side.policy_key, answer.policy)
    tell(stream, side.result_key, span(b"allowed", 7) if answer.allowed else span(b"denied", 6))
    return answer.allowed


cdef void gather(HttpStream *stream, AccessFacts *facts) noexcept nogil:
    cdef const Record *record = stream.record
    facts.local = record.downstream_local
    facts.source = stream.ops.connection_source(stream)
    facts.remote = record.downstream_remote
    facts.direct_remote = record.downstream_direct_remote
    facts.server_name = record.server_name
    facts.tls = record.downstream_tls
    facts.state = &record.filter_state
    facts.request = stream.request
    facts.record = record


cdef void refuse(HttpStream *stream, const AccessAnswer *answer) noexcept nogil:
    cdef LocalReply reply
    memset(&reply, 0, sizeof(LocalReply))
    reply.status = 403
    reply.body = span(b"RBAC: access denied", 19)
    reply.details = access_details(answer, stream.arena)
    stream.ops.reply(stream, &reply)


cdef int on_request_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef const RbacConf *conf = <const RbacConf *>filter_settings(stream, n)
    cdef AccessAnswer answer
    cdef AccessFacts facts
    gather(stream, &facts)
    if conf.shadow.rules != NULL:
        passes(stream, &conf.shadow, &facts, &answer)
    if conf.rules.rules == NULL:
        return FILTER_CONTINUE
    if passes(stream, &conf.rules, &facts, &answer):
        if answer.hinted:
            hint(stream, answer.hint)
        return FILTER_CONTINUE
    if answer.hinted:
        hint(stream, answer.hint)
    refuse(stream, &answer)
    return FILTER_STOP


cdef HttpFilterOps ops
ops.kind = b"envoy.filters.http.rbac"
ops.on_request_head = on_request_head
ops.on_request_data = NULL
ops.on_request_trailers = NULL
ops.on_response_head = NULL
ops.on_response_data = NULL
ops.on_response_trailers = NULL
ops.on_log = NULL
ops.on_destroy = NULL


cdef const HttpFilterOps *rbac_filter() noexcept nogil:
    return &ops
