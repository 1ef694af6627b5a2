"""Access-log lines of a TCP session. See tcp_log.pxd for the law."""
from libc.stdint cimport uint8_t
from libc.string cimport memset, strlen

from meshcore.base.clock cimport clock_ns
from meshcore.base.span cimport Span, span
from meshcore.cluster.host cimport host_note
from meshcore.conf.tables cimport ListenerConf, TcpConf
from meshcore.io.transport cimport transport_facts
from meshcore.observe.record cimport FLAGS_IN_TURN, NO_PROTOCOL, Record
from meshcore.proxy.access_log cimport write_logs
from meshcore.proxy.connection cimport (
    connection_direct_local, connection_direct_remote, connection_local, connection_server_name,
)
from meshcore.proxy.not_hello cimport not_hello_metadata, not_hello_reason
from meshcore.proxy.objects cimport *


cdef void note_tunnel(TcpSession *session, Record *record) noexcept nogil:
    # Envoy counts the bytes twice: as HTTP on the wire, and as what the tunnel carries.
    cdef Stream *stream = session.tunnel
    cdef Host *host = stream.used_host if stream.attempt == NULL else stream.attempt.host
    record.upstream_wire_tx += stream.record.upstream_wire_tx
    record.upstream_wire_rx += stream.record.upstream_wire_rx
    record.upstream_tls = stream.record.upstream_tls
    if stream.record.metadata.namespaces != NULL:
        record.metadata = stream.record.metadata
    record.stream_id = stream.record.stream_id
    if host != NULL:
        host_note(host, record)


cdef void tcp_log_facts(TcpSession *session, Record *record) noexcept nogil:
    record.start_ns = session.base.conn.started_ns
    record.start_wall_us = session.wall_us
    record.end_ns = clock_ns(&session.base.engine.loop.clock)
    record.response_end_ns = record.end_ns
    record.bytes_received = record.downstream_wire_rx = session.received
    record.upstream_wire_tx = session.received - session.early.len
    record.bytes_sent = record.downstream_wire_tx = record.upstream_wire_rx = session.sent
    record.flags = session.flags | FLAGS_IN_TURN if session.flags else 0
    record.upstream_failure = session.failure
    record.downstream_failure = not_hello_reason(session.base.conn.not_hello)
    record.metadata = not_hello_metadata(session.base.conn.not_hello, False)
    if session.down_failure != NULL:
        record.downstream_failure = span(session.down_failure, strlen(session.down_failure))
    record.downstream_close_reason = session.down_reason
    record.upstream_close_reason = session.up_reason
    record.filter_chain = session.base.conn.chain.conf.name
    record.chain_metadata = &session.base.conn.chain.conf.metadata
    record.listener_metadata = &session.base.conn.chain.listener.conf.metadata
    record.downstream_remote = &session.base.conn.remote
    record.downstream_direct_remote = connection_direct_remote(&session.base.conn)
    record.downstream_local = connection_local(&session.base.conn)
    record.downstream_direct_local = connection_direct_local(&session.base.conn)
    record.server_name = connection_server_name(&session.base.conn)
    record.connection_id = session.base.conn.id
    if session.base.conn.state != NULL:
        record.filter_state = session.base.conn.state.objects
        if session.base.conn.state.metadata.namespaces != NULL:
            record.metadata = session.base.conn.state.metadata
    record.attempts = session.attempts
    record.protocol = record.upstream_protocol = NO_PROTOCOL
    record.downstream_close = session.down_close
    # The line is written while both transports are there still.
    record.downstream_tls = transport_facts(session.base.conn.transport)
    if session.upstream != NULL:
        record.upstream_tls = transport_facts(session.upstream)
    if session.routed != NULL:
        record.cluster = session.routed.conf.name
        record.cluster_stat_name = session.routed.conf.stat_name
        record.cluster_metadata = &session.routed.conf.metadata
    if session.tunnel != NULL:
        note_tunnel(session, record)
    elif session.host != NULL:
        host_note(session.host, record)
    if session.connected:
        record.upstream_local = &session.upstream_local
        record.upstream_connection_id = session.upstream_id


cdef void tcp_log_write(TcpSession *session, uint8_t kind, Span termination) noexcept nogil:
    cdef TcpConf *conf = session.base.conn.chain.conf.tcp
    cdef Record record
    if conf.logs_len == 0:
        return
    memset(&record, 0, sizeof(Record))
    tcp_log_facts(session, &record)
    record.log_type = kind
    record.termination = termination
    write_logs(session.base.engine, conf.logs, conf.logs_len, &record)


cdef void tcp_log_of_listener(TcpSession *session) noexcept nogil:
    cdef ListenerConf *conf = session.base.conn.chain.listener.conf
    cdef Record record
    memset(&record, 0, sizeof(Record))
    tcp_log_facts(session, &record)
    record.termination = session.termination
    write_logs(session.base.engine, conf.logs, conf.logs_len, &record)
