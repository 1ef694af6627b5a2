"""Network filters; see network_filter.pxd for the law. What several workers count together is one atomic word."""
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memset

from meshcore.base.arena cimport arena_take
from meshcore.base.atomics cimport atomic_add, atomic_load
from meshcore.base.clock cimport clock_ms, clock_ns
from meshcore.base.runtime cimport runtime_boolean
from meshcore.base.span cimport Span, span
from meshcore.base.token_bucket cimport bucket_take
from meshcore.base.wheel cimport Timer, timer_cancel, timer_init, wheel_arm
from meshcore.conf.stat_ids cimport LIMIT_ACTIVE, LIMIT_LIMITED
from meshcore.conf.tables cimport (
    CHAIN_HTTP, CHAIN_TCP, NETWORK_CONNECTION_LIMIT, NETWORK_LOCAL_RATELIMIT, NETWORK_SET_FILTER_STATE, NetworkFilter,
)
from meshcore.filter.set_filter_state cimport SetFilterStateConf
from meshcore.io.transport cimport Transport, TransportOps, transport_read_start, transport_read_stop
from meshcore.observe.counters cimport gauge_add, stat_inc
from meshcore.observe.record cimport FLAG_URX
from meshcore.proxy.connection_state cimport ConnectionState
from meshcore.proxy.network_rules cimport connection_state_of, network_state_set
from meshcore.proxy.objects cimport Connection, Engine
from meshcore.proxy.tcp_proxy cimport tcp_refuse_unseen


cdef bint count_in(Connection *connection, const NetworkFilter *filter) noexcept nogil:
    cdef Engine *engine = connection.chain.listener.engine
    gauge_add(engine.stats, filter.stats[LIMIT_ACTIVE], 1)
    atomic_add(filter.used, 1)
    if atomic_load(filter.used) <= <int64_t>filter.most:
        return True
    stat_inc(engine.stats, filter.stats[LIMIT_LIMITED])
    return False


cdef Span OVER_LIMIT = span(b"over_connection_limit", 21)
cdef Span OVER_RATE = span(b"local_ratelimit_close_over_limit", 32)


# --- a refusal --------------------------------------------------------------------------------------------------------


cdef struct Kept:
    # A connection that was one too many until it is closed. Its table may be replaced meanwhile.
    TransportOps ops               # must be first: the transport's
    const TransportOps *behind
    Connection *connection
    size_t n                       # bytes read
    Timer timer


cdef void close_refused(Connection *connection, uint8_t kind) noexcept nogil:
    cdef bint limit = kind == NETWORK_CONNECTION_LIMIT
    connection.close_reason = OVER_LIMIT if limit else OVER_RATE
    connection.flags |= 0 if limit else FLAG_URX           # as Envoy has it
    if connection.chain.conf.kind != CHAIN_TCP:
        connection.ops.abort(connection)
    else:
        tcp_refuse_unseen(connection, 0 if limit else FLAG_URX, connection.close_reason)


cdef void on_kept_long_enough(Timer *timer) noexcept nogil:
    cdef Kept *kept = <Kept *>timer.owner
    kept.connection.transport.ops = kept.behind
    if not kept.connection.transport.closing:
        close_refused(kept.connection, NETWORK_CONNECTION_LIMIT)


cdef void on_kept_read(Transport *transport, const char *at, size_t n) noexcept nogil:
    cdef Kept *kept = <Kept *>transport.ops
    kept.n += n
    kept.connection.received += n
    if 0 < transport.high <= kept.n:
        transport_read_stop(transport)


cdef void on_kept_end(Transport *transport, int error) noexcept nogil:
    # Where a client may half-close, its FIN alone does not end the wait.
    cdef Kept *kept = <Kept *>transport.ops
    cdef Connection *connection = kept.connection
    if error == 0 and connection.chain.conf.kind != CHAIN_HTTP:
        return
    timer_cancel(&transport.loop.wheel, &kept.timer)
    transport.ops = kept.behind
    if connection.chain.conf.kind == CHAIN_TCP:
        close_refused(connection, NETWORK_CONNECTION_LIMIT)
    else:
        transport.ops.on_end(transport, error)


cdef void on_kept_closed(Transport *transport) noexcept nogil:
    cdef Kept *kept = <Kept *>transport.ops
    timer_cancel(&transport.loop.wheel, &kept.timer)
    transport.ops = kept.behind
    transport.ops.on_closed(transport)


cdef void keep(Connection *connection, const NetworkFilter *filter) noexcept nogil:
    cdef Transport *transport = connection.transport
    cdef ConnectionState *state = connection_state_of(connection)
    cdef Kept *kept = <Kept *>arena_take(&state.arena, sizeof(Kept)) if state != NULL else NULL
    if kept == NULL:
        close_refused(connection, filter.kind)
        return
    memset(kept, 0, sizeof(Kept))
    kept.ops.on_read = on_kept_read
    kept.ops.on_end = on_kept_end
    kept.ops.on_closed = on_kept_closed
    kept.behind = transport.ops
    kept.connection = connection
    timer_init(&kept.timer, on_kept_long_enough, kept)
    transport.ops = &kept.ops
    wheel_arm(&transport.loop.wheel, &kept.timer, clock_ms(&transport.loop.clock) + filter.delay_ms)
    if connection.chain.conf.kind != CHAIN_TCP:
        transport_read_start(transport)            # as in Envoy, whose TCP proxy reads nothing before it has a host


cdef bint network_filters_pass(Connection *connection) noexcept nogil:
    cdef const NetworkFilter *filter = refusing(connection)
    if filter == NULL:
        return True
    connection.refused = True
    if filter.delay_ms:
        keep(connection, filter)
    else:
        close_refused(connection, filter.kind)
    return False


# --- the filters ------------------------------------------------------------------------------------------------------


cdef const NetworkFilter *refusing(Connection *connection) noexcept nogil:
    # NULL: all let it pass.
    cdef Engine *engine = connection.chain.listener.engine
    cdef const NetworkFilter *filter
    cdef uint32_t i
    for i in range(connection.chain.conf.filters_len):
        filter = &connection.chain.conf.filters[i]
        if not runtime_boolean(filter.enabled_cell, filter.enabled):
            continue
        if filter.kind == NETWORK_CONNECTION_LIMIT:
            connection.counted |= <uint32_t>1 << i
            if not count_in(connection, filter):
                return filter
        elif filter.kind == NETWORK_LOCAL_RATELIMIT and bucket_take(filter.bucket, 1, False, clock_ns(&engine.loop.clock)) == 0:
            stat_inc(engine.stats, filter.stats[0])
            return filter
        elif filter.kind == NETWORK_SET_FILTER_STATE:
            network_state_set(connection, <const SetFilterStateConf *>filter.settings)
    return NULL


cdef void network_filters_end(Connection *connection) noexcept nogil:
    cdef Engine *engine = connection.chain.listener.engine
    cdef const NetworkFilter *filter
    cdef uint32_t i
    for i in range(connection.chain.conf.filters_len):
        filter = &connection.chain.conf.filters[i]
        if connection.counted >> i & 1:
            atomic_add(filter.used, -1)
            gauge_add(engine.stats, filter.stats[LIMIT_ACTIVE], -1)
