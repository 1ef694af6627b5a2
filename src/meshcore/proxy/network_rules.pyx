"""Network RBAC and set_filter_state; see network_rules.pxd for the law."""
from libc.stdint cimport uint16_t, uint32_t, uint64_t

from meshcore.base.arena cimport arena_take
from meshcore.base.clock cimport clock_ms
from meshcore.base.span cimport Span, span
from meshcore.base.wheel cimport Timer, timer_cancel, timer_init, wheel_arm
from meshcore.conf.stat_ids cimport RBAC_ALLOWED, RBAC_DENIED, RBAC_SHADOW_ALLOWED, RBAC_SHADOW_DENIED
from meshcore.conf.tables cimport CHAIN_TCP, NETWORK_RBAC, NetworkFilter
from meshcore.filter.set_filter_state cimport SetFilterStateConf, state_entry_set
from meshcore.io.transport cimport Transport, TransportOps, transport_facts, transport_read_stop
from meshcore.observe.counters cimport stat_inc
from meshcore.observe.record cimport Record
from meshcore.proxy.connection cimport connection_direct_remote, connection_local, connection_server_name
from meshcore.proxy.connection_facts cimport connection_facts
from meshcore.proxy.connection_state cimport ConnectionState, connection_state_new
from meshcore.proxy.objects cimport Connection, Engine
from meshcore.proxy.tcp_proxy cimport tcp_refuse
from meshcore.route.access_rules cimport AccessAnswer, AccessFacts, access_ask, access_details

cdef Span REFUSED = span(b"rbac_deny_close", 15)

ctypedef void (*ReadHook)(Transport *transport, const char *at, size_t n) noexcept nogil


cdef ConnectionState *connection_state_of(Connection *connection) noexcept nogil:
    if connection.state == NULL:
        connection.state = connection_state_new()
    return connection.state


# --- rules ----------------------------------------------------------------------------------------------------------


cdef bint passes(const NetworkFilter *filter, const AccessFacts *facts, uint64_t *stats, AccessAnswer *answer) noexcept nogil:
    cdef const RbacConf *conf = <const RbacConf *>filter.settings
    if conf.shadow != NULL:
        access_ask(conf.shadow, facts, answer)
        stat_inc(stats, filter.stats[RBAC_SHADOW_ALLOWED if answer.allowed else RBAC_SHADOW_DENIED])
    if conf.rules == NULL:
        return True
    access_ask(conf.rules, facts, answer)
    stat_inc(stats, filter.stats[RBAC_ALLOWED if answer.allowed else RBAC_DENIED])
    return answer.allowed


cdef const NetworkFilter *refusing(Connection *connection, bint first, AccessAnswer *answer) noexcept nogil:
    # The filter that does not let it pass; NULL: all do. What is asked once only is asked `first`.
    cdef const NetworkFilter *filter
    cdef const RbacConf *conf
    cdef AccessFacts facts
    cdef Record record
    cdef uint32_t i
    facts.local = connection_local(connection)
    facts.source = facts.remote = &connection.remote
    facts.direct_remote = connection_direct_remote(connection)
    facts.server_name = connection_server_name(connection)
    facts.tls = transport_facts(connection.transport)
    facts.state = &connection.state.objects
    facts.request = NULL
    facts.record = NULL
    for i in range(connection.chain.conf.filters_len):
        filter = &connection.chain.conf.filters[i]
        if filter.kind != NETWORK_RBAC:
            continue
        conf = <const RbacConf *>filter.settings
        if not first and not conf.continuous:
            continue
        if facts.record == NULL and conf.asks_record:
            connection_facts(connection, &record)
            facts.record = &record
        if not passes(filter, &facts, connection.chain.listener.engine.stats, answer):
            return filter
    return NULL


cdef bint continuous(Connection *connection) noexcept nogil:
    cdef const NetworkFilter *filter
    cdef uint32_t i
    for i in range(connection.chain.conf.filters_len):
        filter = &connection.chain.conf.filters[i]
        if filter.kind == NETWORK_RBAC and (<const RbacConf *>filter.settings).continuous:
            return True
    return False


# --- a refusal --------------------------------------------------------------------------------------------------------


cdef void refuse(Connection *connection, size_t n, const AccessAnswer *answer) noexcept nogil:
    cdef Span details = access_details(answer, &connection.state.arena)
    connection.close_reason = REFUSED
    if connection.chain.conf.kind != CHAIN_TCP or details.len == 0:
        connection.ops.abort(connection)
    else:
        tcp_refuse(connection, n, details)


cdef struct Denial:
    # A refused connection until it is closed.
    TransportOps ops               # must be first: the transport's
    Connection *connection
    size_t n                       # bytes read
    AccessAnswer answer
    Timer timer


cdef void on_denied(Timer *timer) noexcept nogil:
    cdef Denial *denial = <Denial *>timer.owner
    denial.connection.transport.ops = denial.connection.state.behind
    if not denial.connection.transport.closing:
        refuse(denial.connection, denial.n, &denial.answer)


cdef void on_denied_end(Transport *transport, int error) noexcept nogil:
    # The client goes before its time is up.
    cdef Denial *denial = <Denial *>transport.ops
    timer_cancel(&denial.connection.chain.listener.engine.loop.wheel, &denial.timer)
    on_denied(&denial.timer)


cdef void on_denied_closed(Transport *transport) noexcept nogil:
    cdef Denial *denial = <Denial *>transport.ops
    timer_cancel(&denial.connection.chain.listener.engine.loop.wheel, &denial.timer)
    transport.ops = denial.connection.state.behind
    transport.ops.on_closed(transport)


cdef void deny(Connection *connection, const NetworkFilter *filter, size_t n, const AccessAnswer *answer) noexcept nogil:
    cdef Engine *engine = connection.chain.listener.engine
    cdef uint64_t delay_ms = (<const RbacConf *>filter.settings).delay_ms
    cdef Denial *denial = NULL
    connection.transport.ops = connection.state.behind
    if delay_ms:
        denial = <Denial *>arena_take(&connection.state.arena, sizeof(Denial))
    if denial == NULL:
        refuse(connection, n, answer)
        return
    denial.ops = connection.state.behind[0]
    denial.ops.on_end = on_denied_end
    denial.ops.on_closed = on_denied_closed
    denial.connection = connection
    denial.n = n
    denial.answer = answer[0]
    timer_init(&denial.timer, on_denied, denial)
    connection.transport.ops = &denial.ops
    transport_read_stop(connection.transport)
    wheel_arm(&engine.loop.wheel, &denial.timer, clock_ms(&engine.loop.clock) + delay_ms)


# --- the gate ---------------------------------------------------------------------------------------------------------


cdef void pass_on(Transport *transport, const char *at, size_t n, bint again) noexcept nogil:
    # `again`: the next bytes are looked at too, whoever reads them by then.
    cdef Connection *connection = <Connection *>transport.owner
    transport.ops = connection.state.behind
    transport.ops.on_read(transport, at, n)
    if again and not transport.closing:
        stand_before(<Connection *>transport.owner, on_more_bytes)


cdef void on_first_bytes(Transport *transport, const char *at, size_t n) noexcept nogil:
    cdef Connection *connection = <Connection *>transport.owner
    cdef AccessAnswer answer
    cdef const NetworkFilter *filter = refusing(connection, True, &answer)
    if filter == NULL:
        pass_on(transport, at, n, continuous(connection))
    else:
        deny(connection, filter, n, &answer)


cdef void on_more_bytes(Transport *transport, const char *at, size_t n) noexcept nogil:
    cdef Connection *connection = <Connection *>transport.owner
    cdef AccessAnswer answer
    cdef const NetworkFilter *filter = refusing(connection, False, &answer)
    if filter == NULL:
        pass_on(transport, at, n, True)
    else:
        deny(connection, filter, n, &answer)


cdef void on_early_end(Transport *transport, int error) noexcept nogil:
    # A FIN without a byte is something that the client says, too.
    cdef Connection *connection = <Connection *>transport.owner
    cdef const NetworkFilter *filter = NULL
    cdef AccessAnswer answer
    cdef bint first = transport.ops.on_read == on_first_bytes
    if error == 0 and (first or connection.chain.conf.kind == CHAIN_TCP):
        filter = refusing(connection, first, &answer)
    transport.ops = connection.state.behind
    if filter == NULL:
        transport.ops.on_end(transport, error)
    else:
        deny(connection, filter, 0, &answer)


cdef void stand_before(Connection *connection, ReadHook on_read) noexcept nogil:
    cdef ConnectionState *state = connection.state
    state.behind = connection.transport.ops
    state.gate = state.behind[0]
    state.gate.on_read = on_read
    state.gate.on_end = on_early_end
    connection.transport.ops = &state.gate


cdef void network_rules_guard(Connection *connection) noexcept nogil:
    if connection_state_of(connection) == NULL:
        connection.ops.abort(connection)
    else:
        stand_before(connection, on_first_bytes)


# --- filter state -----------------------------------------------------------------------------------------------------


cdef FilterState *connection_filter_state(Connection *connection) noexcept nogil:
    cdef ConnectionState *state = connection_state_of(connection)
    return &state.objects if state != NULL else NULL


cdef void network_state_set(Connection *connection, const SetFilterStateConf *conf) noexcept nogil:
    cdef ConnectionState *state = connection_state_of(connection)
    cdef Record record
    cdef uint16_t i
    if state == NULL:
        return
    for i in range(conf.entries_len):
        connection_facts(connection, &record)
        state_entry_set(&conf.entries[i], &record, &state.objects, &state.arena)
