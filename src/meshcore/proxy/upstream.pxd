# Upstream connections. Made by a pool, freed when their transport has closed; what they speak is UpstreamOps (upstream_http1, http2/upstream).
from libc.stdint cimport int64_t, uint8_t

from meshcore.base.buffer cimport Buffer
from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.io.transport cimport Transport
from meshcore.observe.counters cimport stat_add
from meshcore.proxy.objects cimport Attempt, Pool, Upstream

cdef Upstream *upstream_dial(Pool *pool, Span *failure) noexcept nogil        # NULL: refused at once, `failure` says why
cdef void upstream_close(Upstream *upstream) noexcept nogil
cdef void upstream_leave(Upstream *upstream) noexcept nogil                   # the same, by our own wish
cdef void upstream_rest(Upstream *upstream) noexcept nogil                    # nobody uses it now: its idle timeout runs
cdef void upstream_lost(Upstream *upstream) noexcept nogil                    # counts that it ends with a request on it
cdef void upstream_closed(Transport *transport) noexcept nogil                # its on_closed hook
cdef const char *up_state_name(uint8_t state) noexcept nogil

cdef inline void upstream_count(Upstream *upstream, int stat, int64_t n) noexcept nogil:
    stat_add(upstream.engine.stats, upstream.pool.cluster.conf.stats[stat], n)

cdef inline void upstream_begin(Upstream *upstream, Attempt *attempt) noexcept nogil:
    upstream.ops.begin(upstream, attempt)

cdef inline void upstream_send_head(Upstream *upstream, Attempt *attempt, bint end) noexcept nogil:
    upstream.ops.send_head(upstream, attempt, end)

cdef inline void upstream_send_span(Upstream *upstream, Attempt *attempt, Span data, bint end) noexcept nogil:
    upstream.ops.send_span(upstream, attempt, data, end)

cdef inline void upstream_send_buffer(Upstream *upstream, Attempt *attempt, Buffer *data, bint end) noexcept nogil:
    upstream.ops.send_buffer(upstream, attempt, data, end)

cdef inline void upstream_send_trailers(Upstream *upstream, Attempt *attempt, Head *trailers) noexcept nogil:
    upstream.ops.send_trailers(upstream, attempt, trailers)

cdef inline void upstream_abandon(Upstream *upstream, Attempt *attempt) noexcept nogil:
    upstream.ops.abandon(upstream, attempt)

cdef inline void upstream_pause(Upstream *upstream, Attempt *attempt) noexcept nogil:
    upstream.ops.pause(upstream, attempt)

cdef inline void upstream_resume(Upstream *upstream, Attempt *attempt) noexcept nogil:
    upstream.ops.resume(upstream, attempt)
