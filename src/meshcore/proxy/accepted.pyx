"""Listener filters at work; see accepted.pxd for the law.

An Accepted lives from accept until its connection belongs to a chain, or until its closed transport is gone.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from meshcore.base.clock cimport clock_ms, clock_ns
from meshcore.base.held cimport held_append, held_drop, held_fini
from meshcore.base.runtime cimport runtime_boolean
from meshcore.base.slab cimport slab_free, slab_new
from meshcore.base.span cimport Span, lower, span
from meshcore.base.token_bucket cimport bucket_take
from meshcore.base.wheel cimport Timer, timer_cancel, timer_init, wheel_arm
from meshcore.codec.sniff cimport (
    HELLO_MAX, HTTP_1_0, HTTP_2, SNIFF_FOUND, SNIFF_MORE, SNIFF_OTHER, SNIFF_TOO_LARGE, ClientHello, HttpKind, sniff_http, sniff_tls,
)
from meshcore.conf.stat_ids cimport *
from meshcore.conf.tables cimport (
    LISTENER_HTTP_INSPECTOR, LISTENER_LOCAL_RATELIMIT, LISTENER_ORIGINAL_SRC, LISTENER_PROXY_PROTOCOL, LISTENER_TLS_INSPECTOR,
    ListenerFilter,
)
from meshcore.io.proxy_protocol cimport (
    PROXY_BAD, PROXY_MORE, PROXY_NONE, PROXY_V2_HEAD, ProxyHeader, proxy_header_parse,
)
from meshcore.io.transport cimport *
from meshcore.observe.counters cimport gauge_add, stat_inc
from meshcore.proxy.connection cimport connection_give, limits_move
from meshcore.proxy.connection_state cimport connection_state_free
from meshcore.proxy.engine cimport listener_unuse
from meshcore.proxy.listener_log cimport listener_log_refused
from meshcore.proxy.listener_places cimport listener_at
from meshcore.proxy.objects cimport *
from meshcore.proxy.proxy_tlvs cimport proxy_tlvs_keep
from meshcore.route.port_rule cimport port_rule_holds

cdef enum Verdict:
    LOOK_ON                        # the next filter
    LOOK_AGAIN                     # the same one, when more has come
    LOOK_CLOSE

cdef enum:
    BYTES_MAX = 64 * 1024          # who has so many asks for no more

cdef Span HTTP_1_0_NAME = span(b"\x08http/1.0", 9)
cdef Span HTTP_1_1_NAME = span(b"\x08http/1.1", 9)
cdef Span HTTP_2_NAME = span(b"\x03h2c", 4)


# --- life -----------------------------------------------------------------------------------------------------------


cdef inline void count(Accepted *accepted, const ListenerFilter *filter, int stat) noexcept nogil:
    stat_inc(accepted.listener.engine.stats, filter.stats[stat])


cdef inline void count_listener(Accepted *accepted, int stat) noexcept nogil:
    stat_inc(accepted.listener.engine.stats, accepted.listener.conf.stats[stat])


cdef void join(Accepted *accepted, ListenerLocal *listener) noexcept nogil:
    accepted.listener = listener
    listener.users += 1
    accepted.next = listener.accepted
    accepted.link = &listener.accepted
    if accepted.next != NULL:
        accepted.next.link = &accepted.next
    listener.accepted = accepted


cdef void leave(Accepted *accepted) noexcept nogil:
    # Nobody looks any more. The use of the listener stays.
    if accepted.link == NULL:
        return
    gauge_add(accepted.listener.engine.stats, accepted.listener.conf.stats[LISTENER_PRE_CX_ACTIVE], -1)
    timer_cancel(&accepted.listener.engine.loop.wheel, &accepted.timer)
    unlink(accepted)
    accepted.link = NULL


cdef void unlink(Accepted *accepted) noexcept nogil:
    accepted.link[0] = accepted.next
    if accepted.next != NULL:
        accepted.next.link = accepted.link


cdef void dispose(Accepted *accepted) noexcept nogil:
    cdef ListenerLocal *listener = accepted.listener
    held_fini(&accepted.held)
    free(accepted.arrival.texts)
    held_fini(&accepted.arrival.tlvs)
    connection_state_free(accepted.arrival.state)
    slab_free(&listener.engine.accepted, accepted)
    listener_unuse(listener)


cdef void on_gone(Transport *transport) noexcept nogil:
    dispose(<Accepted *>transport.owner)


cdef void give_up(Accepted *accepted) noexcept nogil:
    leave(accepted)
    transport_unread(accepted.transport, &accepted.held)
    transport_close(accepted.transport)


cdef void refuse(Accepted *accepted) noexcept nogil:
    # It ends before any chain has seen it, and the listener's log says so.
    if accepted.listener.conf.logs_len:
        listener_log_refused(accepted.listener, accepted.transport, &accepted.arrival, accepted.started_ns, 0, span(NULL, 0))
    give_up(accepted)


cdef void accepted_start(ListenerLocal *listener, Transport *transport) noexcept nogil:
    cdef Accepted *accepted = <Accepted *>slab_new(&listener.engine.accepted)
    if accepted == NULL:
        transport_close(transport)
        return
    memset(accepted, 0, sizeof(Accepted))
    join(accepted, listener)
    accepted.transport = transport
    accepted.started_ns = clock_ns(&listener.engine.loop.clock)
    timer_init(&accepted.timer, on_timeout, accepted)
    transport_remote(transport, &accepted.arrival.remote)
    transport.ops = &ops
    transport.owner = accepted
    gauge_add(listener.engine.stats, listener.conf.stats[LISTENER_PRE_CX_ACTIVE], 1)
    look(accepted)


cdef void accepted_move(ListenerLocal *old, ListenerLocal *listener) noexcept nogil:
    cdef Accepted *accepted = old.accepted
    cdef Accepted *next
    while accepted != NULL:
        next = accepted.next
        if accepted.at < listener.conf.filters_len:
            unlink(accepted)
            join(accepted, listener)
            listener_unuse(old)
        accepted = next


cdef void accepted_end_all(ListenerLocal *listener) noexcept nogil:
    while listener.accepted != NULL:
        give_up(listener.accepted)


# --- the filters, one after the other ---------------------------------------------------------------------------------


cdef void look(Accepted *accepted) noexcept nogil:
    cdef const ListenerFilter *filter
    cdef Verdict verdict
    while accepted.at < accepted.listener.conf.filters_len:
        filter = &accepted.listener.conf.filters[accepted.at]
        verdict = ask(accepted, filter) if filter.disabled == NULL or not passes_by(accepted, filter) else LOOK_ON
        if verdict == LOOK_CLOSE:
            refuse(accepted)
            return
        if verdict == LOOK_AGAIN:
            wait(accepted)
            return
        accepted.at += 1
    if not hand_over(accepted):
        deliver(accepted)


cdef bint passes_by(Accepted *accepted, const ListenerFilter *filter) noexcept nogil:
    # By the port that was dialled, as far as earlier filters have found it out.
    cdef IpAddress dialled = accepted.arrival.local
    if dialled.family == 0:
        transport_local(accepted.transport, &dialled)
    return port_rule_holds(filter.disabled, dialled.port)


cdef bint hand_over(Accepted *accepted) noexcept nogil:
    # True: the listener that the client meant to reach has it now, with listener filters of its own, and has looked.
    cdef ListenerLocal *listener = accepted.listener
    cdef ListenerLocal *target
    if not listener.conf.hand_over or not accepted.arrival.redirected or accepted.handed:
        return False
    accepted.handed = True
    target = listener_at(listener.engine, &accepted.arrival.local)
    if target == NULL or target == listener:
        return False
    limits_move(target, accepted.transport)
    gauge_add(listener.engine.stats, listener.conf.stats[LISTENER_PRE_CX_ACTIVE], -1)
    gauge_add(listener.engine.stats, target.conf.stats[LISTENER_PRE_CX_ACTIVE], 1)
    timer_cancel(&listener.engine.loop.wheel, &accepted.timer)
    unlink(accepted)
    join(accepted, target)
    listener_unuse(listener)
    accepted.at = 0
    look(accepted)
    return True


cdef void wait(Accepted *accepted) noexcept nogil:
    cdef Engine *engine = accepted.listener.engine
    if accepted.timer.link == NULL and accepted.listener.conf.filters_ms:
        wheel_arm(&engine.loop.wheel, &accepted.timer, clock_ms(&engine.loop.clock) + accepted.listener.conf.filters_ms)
    transport_read_start(accepted.transport)


cdef void deliver(Accepted *accepted) noexcept nogil:
    cdef Transport *transport = accepted.transport
    leave(accepted)
    if transport.reading or accepted.held.len:
        transport_unread(transport, &accepted.held)
    transport.ops = NULL           # nobody's, until a chain has it
    if connection_give(accepted.listener, transport, &accepted.arrival):
        transport_watch(transport)
    else:
        transport_close(transport)
    dispose(accepted)


cdef void on_read(Transport *transport, const char *at, size_t n) noexcept nogil:
    cdef Accepted *accepted = <Accepted *>transport.owner
    if accepted.held.len > BYTES_MAX or not held_append(&accepted.held, at, n):
        count_listener(accepted, LISTENER_FILTER_ERROR)
        refuse(accepted)
        return
    look(accepted)


cdef void on_end(Transport *transport, int error) noexcept nogil:
    cdef Accepted *accepted = <Accepted *>transport.owner
    count_listener(accepted, LISTENER_FILTER_REMOTE_CLOSE)
    refuse(accepted)


cdef void on_timeout(Timer *timer) noexcept nogil:
    cdef Accepted *accepted = <Accepted *>timer.owner
    count_listener(accepted, LISTENER_PRE_CX_TIMEOUT)
    if accepted.listener.conf.filters_continue:
        deliver(accepted)
    else:
        refuse(accepted)


cdef Verdict ask(Accepted *accepted, const ListenerFilter *filter) noexcept nogil:
    if filter.kind == LISTENER_TLS_INSPECTOR:
        return inspect_tls(accepted, filter)
    if filter.kind == LISTENER_HTTP_INSPECTOR:
        return inspect_http(accepted, filter)
    if filter.kind == LISTENER_PROXY_PROTOCOL:
        return read_proxy_header(accepted, filter)
    if filter.kind == LISTENER_ORIGINAL_SRC:
        return keep_source(accepted, filter)
    if filter.kind == LISTENER_LOCAL_RATELIMIT:
        return take_token(accepted, filter)
    return restore_destination(accepted)


cdef bint keep_hello(Arrival *arrival, const ClientHello *hello) noexcept nogil:
    cdef uint32_t i
    arrival.texts = <char *>malloc(hello.server_name.len + hello.protocols.len + 1)
    if arrival.texts == NULL:
        return False
    for i in range(hello.server_name.len):
        arrival.texts[i] = lower(hello.server_name.at[i])
    if hello.protocols.len > 0:
        memcpy(arrival.texts + hello.server_name.len, hello.protocols.at, hello.protocols.len)
    arrival.server_name = span(arrival.texts, hello.server_name.len)
    arrival.protocols = span(arrival.texts + hello.server_name.len, hello.protocols.len)
    return True


cdef Verdict inspect_tls(Accepted *accepted, const ListenerFilter *filter) noexcept nogil:
    cdef ClientHello hello
    cdef char room[HELLO_MAX]
    cdef int found
    cdef bint large
    if accepted.held.len == 0:
        return LOOK_AGAIN
    found = sniff_tls(accepted.held.at, accepted.held.len, room, &hello)
    large = accepted.held.len >= filter.hello_max
    if found == SNIFF_MORE and not large:
        return LOOK_AGAIN
    if found == SNIFF_TOO_LARGE or found == SNIFF_MORE or (found == SNIFF_FOUND and hello.size > filter.hello_max):
        count(accepted, filter, TLS_INSPECTOR_TOO_LARGE)
        accepted.arrival.hello_too_large = True
        return LOOK_CLOSE
    if found == SNIFF_OTHER:
        accepted.arrival.other = hello.other
        if filter.closes_others:
            accepted.arrival.hello_too_large = large
            count(accepted, filter, TLS_INSPECTOR_TOO_LARGE if large else TLS_INSPECTOR_TLS_NOT_FOUND)
            return LOOK_CLOSE
    if found == SNIFF_OTHER or accepted.arrival.texts != NULL:
        count(accepted, filter, TLS_INSPECTOR_TLS_NOT_FOUND)
        return LOOK_ON
    if not keep_hello(&accepted.arrival, &hello):
        return LOOK_CLOSE
    accepted.arrival.tls = True
    count(accepted, filter, TLS_INSPECTOR_TLS_FOUND)
    count(accepted, filter, TLS_INSPECTOR_ALPN_FOUND if hello.protocols.len else TLS_INSPECTOR_ALPN_NOT_FOUND)
    count(accepted, filter, TLS_INSPECTOR_SNI_FOUND if hello.server_name.len else TLS_INSPECTOR_SNI_NOT_FOUND)
    return LOOK_ON


cdef Verdict inspect_http(Accepted *accepted, const ListenerFilter *filter) noexcept nogil:
    cdef HttpKind kind
    cdef int found
    if accepted.arrival.tls:
        return LOOK_ON
    if accepted.held.len == 0:
        return LOOK_AGAIN
    found = sniff_http(accepted.held.at, accepted.held.len, &kind)
    if found == SNIFF_MORE and accepted.held.len < BYTES_MAX:
        return LOOK_AGAIN
    if found != SNIFF_FOUND:
        count(accepted, filter, HTTP_INSPECTOR_HTTP_NOT_FOUND)
    elif kind == HTTP_2:
        accepted.arrival.protocols = HTTP_2_NAME
        count(accepted, filter, HTTP_INSPECTOR_HTTP2_FOUND)
    elif kind == HTTP_1_0:
        accepted.arrival.protocols = HTTP_1_0_NAME
        count(accepted, filter, HTTP_INSPECTOR_HTTP10_FOUND)
    else:
        accepted.arrival.protocols = HTTP_1_1_NAME
        count(accepted, filter, HTTP_INSPECTOR_HTTP11_FOUND)
    return LOOK_ON


cdef Verdict no_proxy_header(Accepted *accepted, const ListenerFilter *filter) noexcept nogil:
    # As in Envoy a short line ends the wait and counts as a header of version 1 that is wrong.
    cdef const char *at = accepted.held.at
    cdef uint32_t i
    if filter.optional:
        count(accepted, filter, PROXY_NOT_FOUND_ALLOWED)
        return LOOK_ON
    if accepted.held.len < PROXY_V2_HEAD:
        for i in range(2, accepted.held.len):
            if at[i] == 10 and at[i - 1] == 13:
                return wrong_proxy_header(accepted, filter, 1)
        return LOOK_AGAIN
    return wrong_proxy_header(accepted, filter, 0)


cdef Verdict wrong_proxy_header(Accepted *accepted, const ListenerFilter *filter, uint8_t version) noexcept nogil:
    cdef int later = PROXY_V2_FOUND - PROXY_V1_FOUND if version == 2 else 0
    if filter.refused >> version & 1:
        count(accepted, filter, PROXY_V1_FOUND + later)
        count(accepted, filter, PROXY_V1_DISALLOWED + later)
        return LOOK_CLOSE
    count(accepted, filter, PROXY_ERROR)
    count(accepted, filter, PROXY_V1_ERROR + later if version else PROXY_NOT_FOUND_DISALLOWED)
    return LOOK_CLOSE


cdef Verdict read_proxy_header(Accepted *accepted, const ListenerFilter *filter) noexcept nogil:
    cdef Arrival *arrival = &accepted.arrival
    cdef ProxyHeader header
    cdef int found
    cdef bint refused
    if accepted.held.len == 0:
        return LOOK_AGAIN
    found = proxy_header_parse(accepted.held.at, accepted.held.len, &header)
    refused = filter.refused >> header.version & 1
    if found == PROXY_NONE or (refused and filter.optional):
        return no_proxy_header(accepted, filter)
    if found == PROXY_MORE and not (refused and header.version == 2 and accepted.held.len >= PROXY_V2_HEAD):
        return LOOK_AGAIN
    if not refused and header.version == 2 and header.tlvs and not proxy_tlvs_keep(arrival, filter, span(
            accepted.held.at + header.tlvs, header.len - header.tlvs)):
        return LOOK_CLOSE
    if found == PROXY_BAD or refused:
        return wrong_proxy_header(accepted, filter, header.version)
    count(accepted, filter, PROXY_V2_FOUND if header.version == 2 else PROXY_V1_FOUND)
    held_drop(&accepted.held, header.len)
    if not header.local:
        redirect(accepted, &header.destination)
        arrival.direct_remote = arrival.remote
        arrival.remote = header.source
    return LOOK_ON


cdef Verdict keep_source(Accepted *accepted, const ListenerFilter *filter) noexcept nogil:
    cdef Arrival *arrival = &accepted.arrival
    arrival.mark = filter.mark
    if arrival.remote.family == 4 or arrival.remote.family == 6:
        arrival.bind = arrival.remote
        if not filter.keeps_port:
            arrival.bind.port = 0
    return LOOK_ON


cdef Verdict take_token(Accepted *accepted, const ListenerFilter *filter) noexcept nogil:
    cdef Engine *engine = accepted.listener.engine
    if not runtime_boolean(filter.enabled_cell, filter.enabled):
        return LOOK_ON
    if bucket_take(filter.bucket, 1, False, clock_ns(&engine.loop.clock)) > 0:
        return LOOK_ON
    count(accepted, filter, 0)
    return LOOK_CLOSE


cdef void redirect(Accepted *accepted, const IpAddress *destination) noexcept nogil:
    transport_local(accepted.transport, &accepted.arrival.direct_local)
    accepted.arrival.local = destination[0]
    accepted.arrival.redirected = True


cdef Verdict restore_destination(Accepted *accepted) noexcept nogil:
    cdef IpAddress original
    if transport_original(accepted.transport, &original):
        redirect(accepted, &original)
    return LOOK_ON


cdef TransportOps ops
ops.on_connected = NULL
ops.on_read = on_read
ops.on_end = on_end
ops.on_high = NULL
ops.on_low = NULL
ops.on_flushed = NULL
ops.on_closed = on_gone
