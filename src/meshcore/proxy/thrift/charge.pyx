"""Charges Thrift calls to statistics of clusters and hosts. See charge.pxd for the law.

As in Envoy a declared exception counts as an error of the host, like an undeclared one, a reply that is none, or a connection that ends.
"""
from libc.stdint cimport uint8_t, uint16_t

from meshcore.base.atomics cimport atomic_add
from meshcore.base.clock cimport clock_ns
from meshcore.cluster.host cimport HOST_RQ_ERROR, HOST_RQ_SUCCESS
from meshcore.cluster.outlier cimport outlier_failed, outlier_status
from meshcore.codec.thrift cimport THRIFT_CALL, THRIFT_EXCEPTION, THRIFT_ONEWAY, THRIFT_REPLY
from meshcore.codec.thrift_reply cimport REPLY_SUCCESS
from meshcore.conf.stat_ids cimport *
from meshcore.observe.counters cimport histogram_record, stat_inc
from meshcore.proxy.objects cimport *

cdef enum:
    NS_PER_MS = 1000000
    GOOD = 200                     # what a reply stands for in outlier detection
    BAD = 500
    GONE = 503


cdef void charge_cluster(ThriftCall *call, int stat) noexcept nogil:
    stat_inc(call.engine.stats, call.cluster.conf.stats[stat])


cdef void charge_request(ThriftCall *call) noexcept nogil:
    cdef uint8_t type = call.request.envelope.type
    if type == THRIFT_CALL:
        charge_cluster(call, CLUSTER_THRIFT_RQ_CALL)
    else:
        charge_cluster(call, CLUSTER_THRIFT_RQ_ONEWAY if type == THRIFT_ONEWAY else CLUSTER_THRIFT_RQ_INVALID_TYPE)


cdef void charge_local(ThriftCall *call, int reason) noexcept nogil:
    charge_cluster(call, CLUSTER_THRIFT_RS_EXCEPTION)
    charge_cluster(call, CLUSTER_THRIFT_RS_EXCEPTION_LOCAL)
    charge_cluster(call, reason)


cdef void charge_refused(ThriftCall *call) noexcept nogil:
    if call.request.envelope.type == THRIFT_CALL:
        charge_cluster(call, CLUSTER_THRIFT_RS_EXCEPTION)
        charge_cluster(call, CLUSTER_THRIFT_RS_EXCEPTION_LOCAL)


cdef void judge(ThriftCall *call, uint16_t status) noexcept nogil:
    atomic_add(&call.host.stats[HOST_RQ_SUCCESS if status == GOOD else HOST_RQ_ERROR], 1)
    if call.host.outlier != NULL:
        outlier_status(call.host.outlier, status)


cdef void charge_reply(ThriftCall *call, bint draining) noexcept nogil:
    cdef uint8_t type = call.reply.envelope.type
    histogram_record(call.engine.stats, call.cluster.conf.thrift_rs_size, call.reply_size)
    if type == THRIFT_REPLY and call.kind == REPLY_SUCCESS:
        charge_cluster(call, CLUSTER_THRIFT_RS_REPLY)
        charge_cluster(call, CLUSTER_THRIFT_RS_SUCCESS)
        judge(call, GOOD)
    elif type == THRIFT_REPLY:
        charge_cluster(call, CLUSTER_THRIFT_RS_REPLY)
        charge_cluster(call, CLUSTER_THRIFT_RS_ERROR)
        judge(call, BAD)
    elif type == THRIFT_EXCEPTION:
        charge_cluster(call, CLUSTER_THRIFT_RS_EXCEPTION)
        charge_cluster(call, CLUSTER_THRIFT_RS_EXCEPTION_REMOTE)
        judge(call, BAD)
    else:
        charge_cluster(call, CLUSTER_THRIFT_RS_INVALID_TYPE)
        atomic_add(&call.host.stats[HOST_RQ_ERROR], 1)
    if draining:
        charge_cluster(call, CLUSTER_THRIFT_DRAIN_CLOSE)


cdef void charge_broken(ThriftCall *call) noexcept nogil:
    charge_cluster(call, CLUSTER_THRIFT_RS_DECODING_ERROR)
    judge(call, BAD)


cdef void charge_time(ThriftCall *call) noexcept nogil:
    if call.sent_ns != 0:
        histogram_record(call.engine.stats, call.cluster.conf.thrift_rq_time, (clock_ns(&call.engine.loop.clock) - call.sent_ns) // NS_PER_MS)
        call.sent_ns = 0


cdef void charge_failed(ThriftCall *call) noexcept nogil:
    if call.host.outlier != NULL:
        outlier_failed(call.host.outlier, GONE)
