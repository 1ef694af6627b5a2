"""Network RBAC and set_filter_state; see network_rules.pxd for the law."""
from libc.stdint cimport uint16_t, uint32_t
from libc.string cimport memcpy, memset

from meshcore.base.arena cimport arena_take
from meshcore.base.span cimport Span, span
from meshcore.conf.stat_ids cimport RBAC_ALLOWED, RBAC_DENIED, RBAC_SHADOW_ALLOWED, RBAC_SHADOW_DENIED
from meshcore.conf.tables cimport CHAIN_TCP, NETWORK_RBAC, NetworkFilter
from meshcore.filter.set_filter_state cimport SetFilterStateConf, state_entry_set
from meshcore.io.transport cimport Transport, transport_facts
from meshcore.observe.counters cimport stat_inc
from meshcore.observe.record cimport NO_PROTOCOL, Record
from meshcore.proxy.connection cimport (
    connection_direct_local, connection_direct_remote, connection_local, connection_server_name,
)
from meshcore.proxy.connection_state cimport ConnectionState, connection_state_new
from meshcore.proxy.objects cimport Connection, Engine
from meshcore.proxy.tcp_proxy cimport tcp_refuse
from meshcore.route.access_rules cimport AccessFacts, access_allowed

cdef Span DENIED = span(b"rbac_access_denied_matched_policy[", 34)


cdef ConnectionState *state_of(Connection *connection) noexcept nogil:
    if connection.state == NULL:
        connection.state = connection_state_new()
    return connection.state


# --- rules ----------------------------------------------------------------------------------------------------------


cdef bint passes(Connection *connection, const NetworkFilter *filter, const AccessFacts *facts, Span *policy) noexcept nogil:
    cdef Engine *engine = connection.chain.listener.engine
    cdef const RbacConf *conf = <const RbacConf *>filter.settings
    cdef bint allowed
    if conf.shadow != NULL:
        allowed = access_allowed(conf.shadow, facts, policy)
        stat_inc(engine.stats, filter.stats[RBAC_SHADOW_ALLOWED if allowed else RBAC_SHADOW_DENIED])
    if conf.rules == NULL:
        return True
    allowed = access_allowed(conf.rules, facts, policy)
    stat_inc(engine.stats, filter.stats[RBAC_ALLOWED if allowed else RBAC_DENIED])
    return allowed


cdef bint all_pass(Connection *connection, Span *policy) noexcept nogil:
    cdef const NetworkFilter *filter
    cdef AccessFacts facts
    cdef uint32_t i
    facts.local = connection_local(connection)
    facts.remote = &connection.remote
    facts.direct_remote = connection_direct_remote(connection)
    facts.server_name = connection_server_name(connection)
    facts.tls = transport_facts(connection.transport)
    facts.state = &connection.state.objects
    for i in range(connection.chain.conf.filters_len):
        filter = &connection.chain.conf.filters[i]
        if filter.kind == NETWORK_RBAC and not passes(connection, filter, &facts, policy):
            return False
    return True


cdef void refuse(Connection *connection, size_t n, Span policy) noexcept nogil:
    cdef char *text
    if policy.len == 0:
        policy = span(b"none", 4)
    text = <char *>arena_take(&connection.state.arena, DENIED.len + policy.len + 1)
    if connection.chain.conf.kind != CHAIN_TCP or text == NULL:
        connection.ops.abort(connection)
        return
    memcpy(text, DENIED.at, DENIED.len)
    if policy.len:
        memcpy(text + DENIED.len, policy.at, policy.len)
    text[DENIED.len + policy.len] = 93
    tcp_refuse(connection, n, span(text, DENIED.len + policy.len + 1))


cdef void on_first_bytes(Transport *transport, const char *at, size_t n) noexcept nogil:
    cdef Connection *connection = <Connection *>transport.owner
    cdef Span policy
    transport.ops = connection.state.behind
    if all_pass(connection, &policy):
        transport.ops.on_read(transport, at, n)
    else:
        refuse(connection, n, policy)


cdef void on_early_end(Transport *transport, int error) noexcept nogil:
    # A FIN without a byte is something that the client says, too.
    cdef Connection *connection = <Connection *>transport.owner
    cdef Span policy
    transport.ops = connection.state.behind
    if error < 0 or all_pass(connection, &policy):
        transport.ops.on_end(transport, error)
    else:
        refuse(connection, 0, policy)


cdef void network_rules_guard(Connection *connection) noexcept nogil:
    cdef ConnectionState *state = state_of(connection)
    if state == NULL:
        connection.ops.abort(connection)
        return
    state.behind = connection.transport.ops
    state.gate = state.behind[0]
    state.gate.on_read = on_first_bytes
    state.gate.on_end = on_early_end
    connection.transport.ops = &state.gate


# --- filter state -----------------------------------------------------------------------------------------------------


cdef void describe(Connection *connection, Record *record) noexcept nogil:
    memset(record, 0, sizeof(Record))
    record.start_ns = connection.started_ns
    record.downstream_remote = &connection.remote
    record.downstream_direct_remote = connection_direct_remote(connection)
    record.downstream_local = connection_local(connection)
    record.downstream_direct_local = connection_direct_local(connection)
    record.server_name = connection_server_name(connection)
    record.connection_id = connection.id
    record.filter_chain = connection.chain.conf.name
    record.chain_metadata = &connection.chain.conf.metadata
    record.listener_metadata = &connection.chain.listener.conf.metadata
    record.protocol = record.upstream_protocol = NO_PROTOCOL
    record.filter_state = connection.state.objects


cdef void network_state_set(Connection *connection, const SetFilterStateConf *conf) noexcept nogil:
    cdef ConnectionState *state = state_of(connection)
    cdef Record record
    cdef uint16_t i
    if state == NULL:
        return
    for i in range(conf.entries_len):
        describe(connection, &record)
        state_entry_set(&conf.entries[i], &record, &state.objects, &state.arena)
