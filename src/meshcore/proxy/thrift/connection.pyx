"""Thrift connections: the client's side. See connection.pxd for the law.

Input is used where it was read; only what cannot be used yet (a part of a head, calls behind one that waits) is held. Replies are written by
call_life.pyx.
"""
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset

from meshcore.base.buffer cimport buffer_copy, buffer_fini
from meshcore.base.clock cimport clock_ms
from meshcore.base.held cimport held_append, held_drop, held_fini
from meshcore.base.slab cimport slab_free, slab_new
from meshcore.base.span cimport Span, span
from meshcore.base.wheel cimport Timer, timer_cancel, timer_init, wheel_arm
from meshcore.codec.thrift cimport *
from meshcore.codec.thrift_stream cimport *
from meshcore.codec.thrift_twitter cimport thrift_is_upgrade
from meshcore.conf.stat_ids cimport *
from meshcore.io.transport cimport *
from meshcore.observe.counters cimport stat_inc
from meshcore.proxy.connection cimport connection_begin, connection_end
from meshcore.proxy.network_filter cimport network_filters_pass
from meshcore.proxy.objects cimport *
from meshcore.proxy.thrift.call cimport *
from meshcore.proxy.thrift.call_life cimport *
from meshcore.proxy.thrift.filters cimport filters_begin, filters_end, filters_go_on, filters_take
from meshcore.proxy.thrift.message cimport *
from meshcore.proxy.thrift.objects cimport *
from meshcore.proxy.thrift.router cimport router_route

cdef enum:
    LINGER_MS = 1000               # how long the client's FIN is awaited behind ours


cdef inline void count(ThriftDownstream *down, int stat) noexcept nogil:
    stat_inc(down.engine.stats, conf_of(down).stats[stat])


# --- life -----------------------------------------------------------------------------------------------------------


cdef void thrift_start(ChainLocal *chain, Transport *transport) noexcept nogil:
    cdef Engine *engine = chain.listener.engine
    cdef ThriftDownstream *down = <ThriftDownstream *>slab_new(&engine.thrift_downstreams)
    if down == NULL:
        transport_close(transport)
        return
    memset(down, 0, sizeof(ThriftDownstream))
    connection_begin(&down.conn, &connection_ops, chain, transport)
    down.engine = engine
    timer_init(&down.linger, on_linger, down)
    transport.ops = &down_ops
    transport.owner = down
    if conf_of(down).transport == THRIFT_UNFRAMED or conf_of(down).transport == THRIFT_TRANSPORT_AUTO:
        down.walk = walk_new(engine)
        if down.walk == NULL:
            transport_close(transport)
            return
    thrift_stream_init(&down.stream, conf_of(down).transport, conf_of(down).protocol, message_limits(),
                       &down.walk.reader if down.walk != NULL else NULL)
    if chain.conf.filters_len and not network_filters_pass(&down.conn):
        return
    transport_read_start(transport)


cdef void end_calls(ThriftDownstream *down, bint local) noexcept nogil:
    while down.calls != NULL:
        count(down, THRIFT_CX_DESTROY_LOCAL_WITH_RQ if local else THRIFT_CX_DESTROY_REMOTE_WITH_RQ)
        call_abandon(down.calls)


cdef void downstream_close(ThriftDownstream *down, bint local) noexcept nogil:
    if down.closing:
        return
    down.closing = True
    end_calls(down, local)
    held_fini(&down.held)
    transport_finish(down.conn.transport)
    if not down.end_seen:
        transport_read_start(down.conn.transport)


cdef void cut(ThriftDownstream *down, bint local) noexcept nogil:
    # At once, whatever still waits to be written.
    down.closing = True
    end_calls(down, local)
    timer_cancel(&down.engine.loop.wheel, &down.linger)
    transport_close(down.conn.transport)


cdef void on_flushed(Transport *transport) noexcept nogil:
    cdef ThriftDownstream *down = <ThriftDownstream *>transport.owner
    if down.end_seen:
        cut(down, True)
    else:
        wheel_arm(&down.engine.loop.wheel, &down.linger, clock_ms(&down.engine.loop.clock) + LINGER_MS)


cdef void on_linger(Timer *timer) noexcept nogil:
    cut(<ThriftDownstream *>timer.owner, True)


cdef void on_closed(Transport *transport) noexcept nogil:
    cdef ThriftDownstream *down = <ThriftDownstream *>transport.owner
    end_calls(down, True)
    held_fini(&down.held)
    buffer_fini(&down.engine.loop.buffers, &down.packed)
    walk_free(down.engine, down.walk)
    connection_end(&down.conn)
    slab_free(&down.engine.thrift_downstreams, down)


cdef void downstream_call_ended(ThriftDownstream *down) noexcept nogil:
    if down.calls == NULL and (down.overflow or down.draining) and not down.closing:
        downstream_close(down, True)


cdef void drain(Connection *connection) noexcept nogil:
    cdef ThriftDownstream *down = <ThriftDownstream *>connection
    down.draining = True
    downstream_call_ended(down)


cdef void abort(Connection *connection) noexcept nogil:
    cut(<ThriftDownstream *>connection, True)


# --- reading --------------------------------------------------------------------------------------------------------


cdef inline bint held_up(ThriftDownstream *down) noexcept nogil:
    # Between two messages, and the next one must wait.
    return down.stream.state == STREAM_HEAD and (down.waits != NULL or down.overflow or down.full)


cdef void on_read(Transport *transport, const char *at, size_t n) noexcept nogil:
    cdef ThriftDownstream *down = <ThriftDownstream *>transport.owner
    cdef size_t used
    if down.closing:
        return
    down.conn.received += n
    if down.held.len > 0:
        if not held_append(&down.held, at, n):
            cut(down, True)
            return
        read_held(down)
    else:
        used = consume(down, at, n)
        if used < n and not down.closing and not held_append(&down.held, at + used, n - used):
            cut(down, True)
            return
    if down.closing:
        return
    if down.reading != NULL and message_hold(&down.reading.request, down.engine) != THRIFT_NO_ERROR:
        cut(down, True)
        return
    if down.held.len > down.conn.chain.listener.conf.buffer_limit and held_up(down):
        transport_read_stop(transport)


cdef void read_held(ThriftDownstream *down) noexcept nogil:
    cdef size_t used
    down.from_held = True
    used = consume(down, down.held.at, down.held.len)
    down.from_held = False
    if not down.closing:
        held_drop(&down.held, used)


cdef void downstream_resume(ThriftDownstream *down) noexcept nogil:
    if down.consuming or down.closing or held_up(down):
        return
    if down.held.len > 0:
        read_held(down)
    if down.closing or held_up(down):
        return
    if down.half_closed:
        downstream_close(down, False)
        return
    transport_read_start(down.conn.transport)


cdef size_t consume(ThriftDownstream *down, const char *at, size_t n) noexcept nogil:
    # Bytes used. When it returns, the connection may be closing, but it is there.
    cdef const char *start = at
    cdef const char *end = at + n
    cdef Span piece
    cdef int event
    down.consuming = True
    while not down.closing and not held_up(down):
        event = thrift_stream_next(&down.stream, &at, end, &piece)
        if event == STREAM_MORE:
            break
        if event == STREAM_MESSAGE:
            if not down.stream.compressed:
                begin_call(down)
        elif event == STREAM_BYTES:
            take(down, piece)
        elif event == STREAM_END:
            if down.stream.compressed:
                unpack(down)
            if not down.closing:
                end_call(down)
        else:
            broken(down, down.stream.error)
    down.consuming = False
    return <size_t>(at - start)


cdef void begin_call(ThriftDownstream *down) noexcept nogil:
    cdef ThriftCall *call = call_new(down)
    cdef int error
    if call == NULL:
        cut(down, True)
        return
    down.reading = call
    if down.walk != NULL and down.stream.transport != THRIFT_UNFRAMED:
        walk_free(down.engine, down.walk)
        down.walk = NULL
        down.stream.reader = NULL
    error = message_read(&call.request, &down.stream, &call.arena, conf_of(down).keeps_case)
    if error != THRIFT_NO_ERROR:
        broken(down, error)
        return
    if down.stream.protocol == THRIFT_TWITTER and not down.stream.upgraded and thrift_is_upgrade(&call.request.envelope):
        call.upgrade = True
        return
    if conf_of(down).filters_len > 0 and filters_begin(call):
        return
    router_route(call, down.stream.left if down.stream.state == STREAM_PAYLOAD else THRIFT_UNBOUNDED)


cdef void take(ThriftDownstream *down, Span piece) noexcept nogil:
    cdef ThriftCall *call = down.reading
    cdef int error
    if down.stream.compressed:
        if down.packed.len + piece.len > message_limits().max_frame_bytes:
            broken(down, THRIFT_BAD_FRAME_SIZE)
        elif not buffer_copy(&down.engine.loop.buffers, &down.packed, piece.at, piece.len):
            cut(down, True)
    elif call != NULL and call.state != CALL_DONE and not call.upgrade:
        if call.probes != NULL:
            filters_take(call, piece)
        error = message_take(&call.request, down.engine, piece, down.from_held)
        if error != THRIFT_NO_ERROR:
            broken(down, error)


cdef void unpack(ThriftDownstream *down) noexcept nogil:
    # A compressed frame is complete: what was in it becomes a call.
    cdef uint64_t n = 0
    cdef int error = THRIFT_NO_ERROR
    cdef char *block = message_inflate(down.engine, &down.packed, &n, &error)
    if block == NULL:
        broken(down, error)
        return
    begin_unpacked(down, block, n)
    free(block)


cdef void begin_unpacked(ThriftDownstream *down, const char *at, uint64_t n) noexcept nogil:
    cdef size_t used = 0
    cdef int error
    if thrift_stream_inflated(&down.stream, at, n, &used) != THRIFT_OK:
        broken(down, down.stream.error)
        return
    down.stream.compressed = False
    down.stream.state = STREAM_PAYLOAD         # of a frame of which all bytes are here
    down.stream.left = n - used
    begin_call(down)
    down.stream.state = STREAM_HEAD
    if down.closing or down.reading == NULL or down.reading.state == CALL_DONE:
        return
    if down.reading.probes != NULL:
        filters_take(down.reading, span(at + used, n - used))
    error = message_take(&down.reading.request, down.engine, span(at + used, n - used), True)
    if error != THRIFT_NO_ERROR:
        broken(down, error)


cdef void end_call(ThriftDownstream *down) noexcept nogil:
    cdef ThriftCall *call = down.reading
    if call.gathers and call.state == CALL_ROUTING:
        filters_end(call)
        if call.limit != NULL:
            hold_back(down, call)
            return
        router_route(call, call.request.body.len)
        if down.closing:
            return
    finish_call(down, call)


cdef void hold_back(ThriftDownstream *down, ThriftCall *call) noexcept nogil:
    # It was read whole, and its filters have not let it pass yet.
    if message_hold(&call.request, down.engine) != THRIFT_NO_ERROR:
        cut(down, True)
        return
    down.reading = NULL
    down.waits = call


cdef void downstream_call_passed(ThriftCall *call) noexcept nogil:
    cdef ThriftDownstream *down = call.down
    down.consuming = True          # nothing else begins before this one has gone on
    filters_go_on(call)
    if call.limit == NULL and down.reading != call:
        down.waits = NULL
        down.reading = call
        if call.state == CALL_ROUTING:
            router_route(call, call.request.body.len)
        if not down.closing:
            finish_call(down, call)
    down.consuming = False
    downstream_resume(down)


cdef void finish_call(ThriftDownstream *down, ThriftCall *call) noexcept nogil:
    cdef int error = THRIFT_NO_ERROR
    if call.state != CALL_DONE:
        error = message_end(&call.request)
    if error != THRIFT_NO_ERROR:
        broken(down, error)
        return
    down.reading = NULL
    call_request_complete(call)


cdef void broken(ThriftDownstream *down, uint8_t error) noexcept nogil:
    # As Envoy does it: the message that is being read is answered; without one, the newest call that is under way, if the bytes belong to
    # no frame. Else nobody knows how to answer.
    cdef ThriftCall *call = down.reading
    cdef const char *name = thrift_error_name(error)
    cdef size_t n = 0
    if call == NULL and error <= THRIFT_BAD_FRAME_SIZE:
        call = down.calls
    count(down, THRIFT_RQ_DECODING_ERROR)
    if call == NULL and error > THRIFT_BAD_FRAME_SIZE:
        # A frame with nothing in it that is Thrift: Envoy logs it like a call.
        call = call_new(down)
        if call != NULL:
            call_discard(call)
        call = NULL
    if call != NULL and call.state != CALL_DONE:
        while name[n] != 0:
            n += 1
        call_fail_protocol(call, span(name, n))
    downstream_close(down, True)


cdef void on_end(Transport *transport, int error) noexcept nogil:
    cdef ThriftDownstream *down = <ThriftDownstream *>transport.owner
    down.end_seen = True
    if error < 0 or (down.closing and transport.finished):
        cut(down, False)
    elif down.waits != NULL and down.calls != NULL and down.calls.request.envelope.type == THRIFT_ONEWAY:
        down.half_closed = True
    else:
        downstream_close(down, False)


cdef void on_high(Transport *transport) noexcept nogil:
    (<ThriftDownstream *>transport.owner).full = True


cdef void on_low(Transport *transport) noexcept nogil:
    cdef ThriftDownstream *down = <ThriftDownstream *>transport.owner
    down.full = False
    downstream_resume(down)


cdef ConnectionOps connection_ops
connection_ops.drain = drain
connection_ops.abort = abort

cdef TransportOps down_ops
down_ops.on_connected = NULL
down_ops.on_read = on_read
down_ops.on_end = on_end
down_ops.on_high = on_high
down_ops.on_low = on_low
down_ops.on_flushed = on_flushed
down_ops.on_closed = on_closed
