"""Streams of the engine's own. See own_stream.pxd for the law."""
from libc.string cimport memset

from meshcore.base.arena cimport arena_init
from meshcore.base.clock cimport clock_ns, clock_wall_us
from meshcore.base.random cimport random_u64
from meshcore.base.slab cimport slab_new
from meshcore.base.wheel cimport timer_cancel, timer_init
from meshcore.proxy.grpc_call cimport grpc_call_data, grpc_call_end, grpc_call_failed
from meshcore.proxy.mirror cimport mirror_forget
from meshcore.proxy.objects cimport *
from meshcore.proxy.router cimport router_end
from meshcore.route.table cimport Route, VirtualHost

# What the router asks of a route, with nothing configured. Written once, when the module is imported.
cdef Route no_route
cdef VirtualHost no_host
memset(&no_route, 0, sizeof(Route))
memset(&no_host, 0, sizeof(VirtualHost))
no_route.body_limit = no_route.idle_timeout_ms = no_route.max_duration_ms = no_route.grpc_timeout_max_ms = -1


cdef Stream *own_stream_new(Engine *engine, ListenerLocal *listener, HcmConf *hcm, RouteLocal *routes, ClusterLocal *cluster) noexcept nogil:
    cdef Stream *stream = <Stream *>slab_new(&engine.streams)
    if stream == NULL:
        return NULL
    memset(stream, 0, sizeof(Stream))
    stream.engine = engine
    stream.listener = listener
    listener.users += 1
    stream.hcm = hcm
    stream.routes = routes
    if routes != NULL:
        routes.users += 1
    stream.cluster = cluster
    cluster.users += 1
    arena_init(&stream.arena, &engine.loop.blocks)
    stream.host = &no_host
    stream.http.route = &no_route
    stream.http.arena = &stream.arena
    stream.http.record = &stream.record
    stream.http.request = &stream.request
    stream.record.request = &stream.request
    stream.record.start_ns = clock_ns(&engine.loop.clock)
    stream.record.start_wall_us = clock_wall_us(&engine.loop.clock)
    stream.random = random_u64(&engine.loop.random)
    stream.bits = STREAM_OWN | STREAM_INTERNAL | STREAM_REPLAY_LOST
    timer_init(&stream.timeout, NULL, stream)
    timer_init(&stream.backoff, NULL, stream)
    stream.next = engine.own
    stream.own_link = &engine.own
    if stream.next != NULL:
        stream.next.own_link = &stream.next
    engine.own = stream
    return stream


cdef void own_stream_end(Stream *stream) noexcept nogil:
    cdef Engine *engine = stream.engine
    if stream.bits & STREAM_ENDED:
        return
    stream.bits |= STREAM_ENDED
    if stream.copied != NULL:
        mirror_forget(stream)
    timer_cancel(&engine.loop.wheel, &stream.timeout)
    router_end(stream)
    stream.own_link[0] = stream.next
    if stream.next != NULL:
        stream.next.own_link = stream.own_link
    stream.next = engine.ended
    engine.ended = stream
    if stream.grpc != NULL:
        grpc_call_failed(stream)


cdef void own_stream_head(Stream *stream, bint end) noexcept nogil:
    if not end:
        return
    if stream.grpc != NULL:
        grpc_call_end(stream, &stream.response)
    own_stream_end(stream)


cdef void own_stream_data(Stream *stream, Span data, bint end) noexcept nogil:
    if stream.grpc != NULL and data.len > 0:
        grpc_call_data(stream, data)
    if end:
        own_stream_end(stream)


cdef void own_stream_trailers(Stream *stream) noexcept nogil:
    if stream.grpc != NULL:
        grpc_call_end(stream, stream.trailers)
    own_stream_end(stream)
