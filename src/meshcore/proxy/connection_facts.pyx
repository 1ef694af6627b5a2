"""What is known of a connection. See connection_facts.pxd for the law."""
from libc.string cimport memset

from meshcore.base.span cimport Span, span
from meshcore.observe.record cimport NO_PROTOCOL, Record
from meshcore.proxy.connection cimport (
    connection_direct_local, connection_direct_remote, connection_local, connection_server_name,
)
from meshcore.proxy.not_hello cimport not_hello_metadata, not_hello_reason
from meshcore.proxy.objects cimport Connection

cdef Span TLS = span(b"tls", 3)
cdef Span RAW_BUFFER = span(b"raw_buffer", 10)


cdef void connection_facts(Connection *connection, Record *record) noexcept nogil:
    memset(record, 0, sizeof(Record))
    record.start_ns = connection.started_ns
    record.downstream_remote = &connection.remote
    record.downstream_direct_remote = connection_direct_remote(connection)
    record.downstream_local = connection_local(connection)
    record.downstream_direct_local = connection_direct_local(connection)
    record.server_name = connection_server_name(connection)
    record.transport_protocol = TLS if connection.arrival != NULL and connection.arrival.tls else RAW_BUFFER
    record.connection_id = connection.id
    record.filter_chain = connection.chain.conf.name
    record.chain_metadata = &connection.chain.conf.metadata
    record.listener_metadata = &connection.chain.listener.conf.metadata
    record.protocol = record.upstream_protocol = NO_PROTOCOL
    record.downstream_failure = not_hello_reason(connection.not_hello)
    record.metadata = not_hello_metadata(connection.not_hello, False)
    if connection.state != NULL:
        record.filter_state = connection.state.objects
        if connection.state.metadata.namespaces != NULL:
            record.metadata = connection.state.metadata
