"""What a route answers by itself: direct responses, redirects, and the redirect to https. See route_reply.pxd for the law."""
from libc.stdint cimport uint8_t, uint16_t
from libc.string cimport memcpy

from meshcore.base.arena cimport arena_take
from meshcore.base.span cimport Span, span
from meshcore.codec.head cimport *
from meshcore.conf.stat_ids cimport *
from meshcore.filter.http cimport LocalReply
from meshcore.observe.counters cimport stat_inc
from meshcore.observe.format cimport format_bound, format_write
from meshcore.proxy.objects cimport *
from meshcore.proxy.route_head cimport route_head_set_path
from meshcore.proxy.stream cimport stream_reply
from meshcore.route.finalize cimport route_mutate_response
from meshcore.route.table cimport ROUTE_REDIRECT, route_redirect_location


cdef void reply_with(Stream *stream, uint16_t status, Span body, Span type, Span details, Head *extra) noexcept nogil:
    cdef LocalReply reply
    reply.status = status
    reply.grpc = 0
    reply.plain = False
    reply.flag = 0
    reply.body = body
    reply.content_type = type if body.len > 0 else span(b"", 0)
    reply.details = details
    reply.head = extra
    stream_reply(stream, &reply)


cdef Span formatted_body(Stream *stream, Route *route) noexcept nogil:
    cdef size_t bound
    cdef char *room
    stream.record.local_body = route.body
    bound = format_bound(route.body_format, &stream.record)
    room = <char *>arena_take(&stream.arena, bound)
    return span(room, format_write(route.body_format, &stream.record, room, room + bound) - room) if room != NULL else route.body


cdef void route_reply(Stream *stream, Route *route) noexcept nogil:
    # Direct responses and redirects carry the route's response header mutations, other local replies do not.
    cdef Head extra
    cdef Span body = route.body
    head_init(&extra, &stream.arena, True)
    stat_inc(stream.engine.stats, stream.hcm.stats[HCM_RQ_DIRECT_RESPONSE])
    if route.status == 201 or route.status // 100 == 3:
        head_set(&extra, H_LOCATION, route_redirect_location(route, &stream.request, &stream.arena))
    if route.kind == ROUTE_REDIRECT and route.rewrite.path.len == 0:
        route_head_set_path(stream, route)        # logs show the new path, as Envoy's
    extra.status = route.status
    stream.record.details = span(b"direct_response", 15)
    stream.record.response = &extra
    route_mutate_response(route, NULL, &extra, &stream.record)
    if route.body_format != NULL:
        body = formatted_body(stream, route)
    stream.record.response = NULL
    reply_with(stream, route.status, body, route.content_type, span(b"direct_response", 15), &extra)


cdef void route_reply_tls(Stream *stream) noexcept nogil:
    # virtual_host.require_tls on a plain connection: the same URL with https.
    cdef Head extra
    cdef Head *head = &stream.request
    cdef size_t n = 8 + head.authority.len + head.path.len
    cdef char *text = <char *>arena_take(&stream.arena, n)
    if text == NULL:
        return
    memcpy(text, b"https://", 8)
    memcpy(text + 8, head.authority.at, head.authority.len)
    memcpy(text + 8 + head.authority.len, head.path.at, head.path.len)
    head_init(&extra, &stream.arena, True)
    head_set(&extra, H_LOCATION, span(text, n))
    stream.record.route_name.len = 0
    stream.record.cluster.len = 0
    stream.record.cluster_stat_name.len = 0
    stat_inc(stream.engine.stats, stream.hcm.stats[HCM_RQ_DIRECT_RESPONSE])
    reply_with(stream, 301, span(b"", 0), span(b"", 0), span(b"direct_response", 15), &extra)


cdef bint route_reply_wants_tls(Stream *stream) noexcept nogil:
    cdef uint8_t rule = 0 if stream.host == NULL else stream.host.require_tls
    if rule == 0 or head_value(&stream.request, H_X_FORWARDED_PROTO).len == 5:
        return False
    return rule == 2 or stream.bits & STREAM_INTERNAL == 0
