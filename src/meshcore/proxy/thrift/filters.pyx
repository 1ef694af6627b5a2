"""Thrift filters on their call. See filters.pxd for the law."""
from libc.stdint cimport uint32_t

from meshcore.filter.thrift_metadata cimport *
from meshcore.proxy.thrift.call cimport CALL_DONE, CALL_ROUTING
from meshcore.proxy.thrift.call_life cimport call_hold_conf
from meshcore.proxy.thrift.limit cimport limit_begin
from meshcore.proxy.thrift.message cimport message_limits
from meshcore.proxy.thrift.objects cimport *


cdef void add_probe(ThriftCall *call, const ThriftFilter *filter) noexcept nogil:
    cdef ThriftMessage *request = &call.request
    cdef ThriftProbe **last = &call.probes
    while last[0] != NULL:
        last = &last[0].next
    last[0] = thrift_probe_new(filter, request.envelope.name, request.envelope.protocol, message_limits(), &call.metadata, &call.arena)
    if last[0] != NULL:
        call_hold_conf(call)
        call.gathers = True


cdef bint filters_begin(ThriftCall *call) noexcept nogil:
    cdef ThriftConf *conf = conf_of(call.down)
    cdef uint32_t i
    call.filter = conf.filters
    call.filters_end = conf.filters + conf.filters_len
    for i in range(conf.filters_len):
        if conf.filters[i].payload != NULL:
            add_probe(call, &conf.filters[i])
    filters_go_on(call)
    return call.gathers or call.state == CALL_DONE


cdef void filters_go_on(ThriftCall *call) noexcept nogil:
    cdef const ThriftFilter *filter
    while call.limit == NULL and call.state == CALL_ROUTING and call.filter < call.filters_end:
        filter = call.filter
        call.filter += 1
        if filter.limit != NULL:
            limit_begin(call, filter.limit)
        elif filter.payload == NULL:
            thrift_headers_read(filter, &call.request.headers, &call.metadata, &call.arena)


cdef void filters_take(ThriftCall *call, Span piece) noexcept nogil:
    cdef ThriftProbe *probe = call.probes
    while probe != NULL:
        thrift_probe_take(probe, piece)
        probe = probe.next


cdef void filters_end(ThriftCall *call) noexcept nogil:
    cdef ThriftProbe *probe = call.probes
    while probe != NULL:
        thrift_probe_end(probe)
        probe = probe.next
