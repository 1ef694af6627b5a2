"""Thrift access logs. See log.pxd for the law.

The metadata is made only for a chain that has a log. Worker thread.
"""
from libc.stdint cimport uint8_t
from libc.string cimport memset, strlen

from meshcore.base.clock cimport clock_ns
from meshcore.base.span cimport Span, span
from meshcore.codec.thrift cimport *
from meshcore.codec.thrift_reply cimport REPLY_SUCCESS, REPLY_ERROR
from meshcore.observe.metadata cimport META_STRUCT, META_TEXT, MetaValue, meta_make, metadata_namespace
from meshcore.observe.record cimport *
from meshcore.proxy.access_log cimport write_logs
from meshcore.proxy.connection cimport connection_local
from meshcore.proxy.objects cimport *
from meshcore.proxy.thrift.objects cimport *


cdef inline Span word(const char *text) noexcept nogil:
    return span(text, strlen(text))


cdef Span transport_name(uint8_t transport) noexcept nogil:
    if transport == THRIFT_FRAMED:
        return span(b"framed", 6)
    if transport == THRIFT_HEADER:
        return span(b"header", 6)
    return span(b"unframed", 8) if transport == THRIFT_UNFRAMED else span(b"auto", 4)


cdef Span protocol_name(uint8_t protocol) noexcept nogil:
    # Envoy calls both forms of the binary protocol by one name here.
    if protocol == THRIFT_BINARY or protocol == THRIFT_BINARY_LAX:
        return span(b"binary", 6)
    if protocol == THRIFT_COMPACT:
        return span(b"compact", 7)
    return span(b"twitter", 7) if protocol == THRIFT_TWITTER else span(b"auto", 4)


cdef Span type_name(uint8_t type) noexcept nogil:
    if type == THRIFT_CALL:
        return span(b"call", 4)
    if type == THRIFT_REPLY:
        return span(b"reply", 5)
    return span(b"exception", 9) if type == THRIFT_EXCEPTION else span(b"oneway", 6)


cdef void put(ThriftCall *call, MetaValue *parent, const char *key, Span text) noexcept nogil:
    cdef MetaValue *value = meta_make(parent, &call.arena, word(key))
    if value != NULL:
        value.kind = META_TEXT
        value.text = text


cdef MetaValue *put_side(ThriftCall *call, MetaValue *parent, const char *key, uint8_t type) noexcept nogil:
    cdef MetaValue *side = meta_make(parent, &call.arena, word(key))
    if side == NULL:
        return NULL
    side.kind = META_STRUCT
    put(call, side, b"transport_type", transport_name(call.down.stream.transport))
    put(call, side, b"protocol_type", protocol_name(call.down.stream.protocol))
    put(call, side, b"message_type", type_name(type))
    return side


cdef Span cluster_name(ThriftCall *call) noexcept nogil:
    # What the route named lives as long as the route; a cluster that was not found is logged at once.
    if call.cluster != NULL:
        return call.cluster.conf.name
    return call.cluster_name if call.cluster_name.len > 0 else span(b"-", 1)


cdef void describe(ThriftCall *call) noexcept nogil:
    cdef MetaValue *all = metadata_namespace(&call.metadata, &call.arena, span(b"thrift.proxy", 12))
    cdef MetaValue *reply
    cdef Span kind = span(b"-", 1)
    if all == NULL:
        return
    put(call, all, b"cluster", cluster_name(call))
    put(call, all, b"method", call.request.envelope.name)
    put(call, all, b"passthrough", span(b"true", 4) if call.passes else span(b"false", 5))
    put_side(call, all, b"request", call.request.envelope.type)
    if call.reply.envelope.type == 0:
        return
    reply = put_side(call, all, b"response", call.reply.envelope.type)
    if call.kind == REPLY_SUCCESS and call.reply.envelope.type == THRIFT_REPLY:
        kind = span(b"success", 7)
    elif call.kind == REPLY_ERROR and call.reply.envelope.type == THRIFT_REPLY:
        kind = span(b"error", 5)
    if reply != NULL:
        put(call, reply, b"reply_type", kind)


cdef void call_log(ThriftCall *call) noexcept nogil:
    cdef ThriftDownstream *down = call.down
    cdef Record record
    if conf_of(down).logs_len == 0:
        return
    if call.request.envelope.type != 0:        # what had no envelope is not described
        describe(call)
    memset(&record, 0, sizeof(Record))
    record.start_ns = call.started_ns
    record.start_wall_us = call.wall_us
    record.end_ns = record.request_end_ns = record.response_end_ns = clock_ns(&call.engine.loop.clock)
    record.flags = call.flags
    record.bytes_received = call.request_size
    record.bytes_sent = call.reply_size
    record.filter_chain = down.conn.chain.conf.name
    record.downstream_remote = record.downstream_direct_remote = &down.conn.remote
    record.downstream_local = record.downstream_direct_local = connection_local(&down.conn)
    record.connection_id = down.conn.id
    record.protocol = record.upstream_protocol = NO_PROTOCOL
    record.log_type = LOG_NOT_SET
    record.metadata = call.metadata
    write_logs(call.engine, conf_of(down).logs, conf_of(down).logs_len, &record)
