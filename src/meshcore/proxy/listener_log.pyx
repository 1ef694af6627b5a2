"""Access logs of a listener. See listener_log.pxd for the law."""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from meshcore.base.clock cimport clock_ns, clock_wall_us
from meshcore.base.span cimport Span, span
from meshcore.codec.head cimport HTTP_2, HTTP_11
from meshcore.conf.tables cimport CHAIN_DIRECT, CHAIN_HTTP
from meshcore.io.transport cimport Transport, transport_facts, transport_failure, transport_local
from meshcore.observe.record cimport FLAG_DPE, NO_PROTOCOL, Record
from meshcore.proxy.access_log cimport write_logs
from meshcore.proxy.connection_facts cimport connection_facts
from meshcore.proxy.not_hello cimport not_hello_metadata, not_hello_reason
from meshcore.proxy.objects cimport Arrival, Connection, Engine, ListenerLocal

cdef enum:
    NS_PER_US = 1000

cdef Span DIRECT_RESPONSE = span(b"direct_response", 15)


cdef void write(ListenerLocal *listener, Record *record) noexcept nogil:
    cdef Engine *engine = listener.engine
    record.end_ns = record.response_end_ns = clock_ns(&engine.loop.clock)
    record.start_wall_us = clock_wall_us(&engine.loop.clock) - <int64_t>((record.end_ns - record.start_ns) // NS_PER_US)
    write_logs(engine, listener.conf.logs, listener.conf.logs_len, record)


cdef void listener_log_connection(Connection *connection) noexcept nogil:
    cdef Record record
    connection_facts(connection, &record)
    record.bytes_received = connection.received
    record.bytes_sent = connection.transport.sent
    record.flags = connection.flags
    record.downstream_close_reason = connection.close_reason
    record.downstream_tls = transport_facts(connection.transport)
    if transport_failure(connection.transport).len > 0:
        record.downstream_failure = transport_failure(connection.transport)
    if connection.chain.conf.kind == CHAIN_DIRECT:
        record.details = DIRECT_RESPONSE
    elif connection.chain.conf.kind == CHAIN_HTTP and connection.received > 0 and not connection.refused and not connection.flags & FLAG_DPE:
        record.protocol = HTTP_2 if connection.new_http else HTTP_11
    write(connection.chain.listener, &record)


cdef void listener_log_refused(ListenerLocal *listener, Transport *transport, Arrival *arrival, uint64_t started_ns, uint64_t flags,
                               Span details) noexcept nogil:
    cdef Record record
    if arrival.local.family == 0:
        transport_local(transport, &arrival.local)
    memset(&record, 0, sizeof(Record))
    record.start_ns = started_ns
    record.downstream_remote = &arrival.remote
    record.downstream_direct_remote = &arrival.direct_remote if arrival.direct_remote.family else &arrival.remote
    record.downstream_local = &arrival.local
    record.downstream_direct_local = &arrival.direct_local if arrival.direct_local.family else &arrival.local
    record.server_name = arrival.server_name
    record.listener_metadata = &listener.conf.metadata
    record.protocol = record.upstream_protocol = NO_PROTOCOL
    record.flags = flags
    record.details = details
    record.downstream_failure = not_hello_reason(arrival.other)
    record.metadata = not_hello_metadata(arrival.other, arrival.hello_too_large)
    if arrival.state != NULL:
        record.filter_state = arrival.state.objects
        if arrival.state.metadata.namespaces != NULL:
            record.metadata = arrival.state.metadata
    write(listener, &record)
