"""Thrift filters on their call. See filters.pxd for the law."""
from libc.stdint cimport uint32_t

from meshcore.filter.thrift_metadata cimport *
from meshcore.proxy.thrift.call_life cimport call_hold_conf
from meshcore.proxy.thrift.message cimport message_limits
from meshcore.proxy.thrift.objects cimport *


cdef bint filters_begin(ThriftCall *call) noexcept nogil:
    cdef ThriftConf *conf = conf_of(call.down)
    cdef ThriftMessage *request = &call.request
    cdef ThriftProbe **last = &call.probes
    cdef uint32_t i
    for i in range(conf.filters_len):
        if conf.filters[i].payload == NULL:
            thrift_headers_read(&conf.filters[i], &request.headers, &call.metadata, &call.arena)
            continue
        last[0] = thrift_probe_new(&conf.filters[i], request.envelope.name, request.envelope.protocol, message_limits(), &call.metadata, &call.arena)
        if last[0] != NULL:
            last = &last[0].next
    if call.probes == NULL:
        return False
    call_hold_conf(call)
    return True


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
