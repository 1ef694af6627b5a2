"""How a stream ends. See stream_end.pxd.

The order matters: the router lets go first (its figures go into the log), then filters and access logs see the finished record, then the
connection learns that it may go on.
"""
from libc.stdint cimport uint64_t

from meshcore.base.arena cimport arena_fini
from meshcore.base.buffer cimport buffer_fini
from meshcore.base.clock cimport clock_ns
from meshcore.base.slab cimport slab_free
from meshcore.base.wheel cimport timer_cancel
from meshcore.conf.stat_ids cimport *
from meshcore.observe.counters cimport gauge_add, histogram_record, stat_inc
from meshcore.observe.tls_facts cimport tls_facts_unref
from meshcore.proxy.access_log cimport access_log
from meshcore.proxy.chain cimport chain_end
from meshcore.proxy.engine cimport listener_unuse, routes_unuse
from meshcore.proxy.objects cimport *
from meshcore.proxy.router cimport router_end, router_let_go

cdef enum:
    NS_PER_MS = 1000000


cdef void stream_complete(Stream *stream) noexcept nogil:
    stream.bits |= STREAM_RESPONSE_END
    if stream.bits & STREAM_REQUEST_END == 0:
        stat_inc(stream.engine.stats, stream.hcm.stats[HCM_RQ_RX_RESET])
    stream_end(stream)


cdef void stream_end(Stream *stream) noexcept nogil:
    cdef Engine *engine = stream.engine
    cdef Downstream *down = stream.down
    cdef uint64_t now = clock_ns(&engine.loop.clock)
    if stream.bits & STREAM_ENDED:
        return
    stream.bits |= STREAM_ENDED
    timer_cancel(&engine.loop.wheel, &stream.timeout)
    timer_cancel(&engine.loop.wheel, &stream.idle)
    timer_cancel(&engine.loop.wheel, &stream.duration)
    timer_cancel(&engine.loop.wheel, &stream.backoff)
    timer_cancel(&engine.loop.wheel, &stream.request_timer)
    router_end(stream)
    stream.record.response_end_ns = now
    stream.record.end_ns = now
    chain_end(stream)
    access_log(stream)
    gauge_add(engine.stats, stream.hcm.stats[HCM_RQ_ACTIVE], -1)
    if stream.bits & STREAM_UPGRADE:
        gauge_add(engine.stats, stream.hcm.stats[HCM_CX_UPGRADES_ACTIVE], -1)
    histogram_record(engine.stats, stream.hcm.rq_time, (now - stream.record.start_ns) // NS_PER_MS)
    stream.next = engine.ended
    engine.ended = stream
    stream.down = NULL
    if down != NULL:
        down.ops.done(down, stream)


cdef void stream_free(Stream *stream) noexcept nogil:
    cdef Engine *engine = stream.engine
    buffer_fini(&engine.loop.buffers, &stream.waiting)
    buffer_fini(&engine.loop.buffers, &stream.replay)
    tls_facts_unref(stream.record.upstream_tls)
    arena_fini(&stream.arena)
    router_let_go(stream)
    if stream.routes != NULL:
        routes_unuse(stream.routes)
    listener_unuse(stream.listener)
    slab_free(&engine.streams, stream)
