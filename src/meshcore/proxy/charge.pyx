"""Charges responses to statistics. See charge.pxd for the law.

A status counts in the total, its class and its code: for the cluster, for its internal or external requests, and for the virtual cluster and
route when they count apart. `dynamic_stats: false` of the router switches all of that off, as in Envoy.
"""
from libc.stdint cimport uint32_t, uint64_t

from meshcore.base.clock cimport clock_ns
from meshcore.base.span cimport span_is
from meshcore.cluster.host cimport Host
from meshcore.codec.head cimport H_ENVOY_UPSTREAM_CANARY, Head, head_has, head_value
from meshcore.conf.stat_ids cimport *
from meshcore.conf.tables cimport ClusterConf
from meshcore.observe.counters cimport code_inc, histogram_record, stat_inc
from meshcore.proxy.charge_apart cimport charge_apart, charge_time_apart, charges_apart
from meshcore.proxy.objects cimport *
from meshcore.route.table cimport SCOPE_RQ_1XX, SCOPE_RQ_COMPLETED, Scope

cdef enum:
    NS_PER_MS = 1000000


cdef void charge_as(uint64_t *stats, ClusterConf *conf, uint16_t status, int completed, int classes, uint32_t codes) noexcept nogil:
    cdef int kind = status // 100 - 1
    stat_inc(stats, conf.stats[completed])
    if kind >= 0 and kind < 5:
        stat_inc(stats, conf.stats[classes + kind])
        code_inc(stats, codes, status)
    elif classes == CLUSTER_RQ_1XX:
        stat_inc(stats, conf.stats[CLUSTER_RQ_UNKNOWN])
    elif classes == CLUSTER_EXTERNAL_1XX:
        stat_inc(stats, conf.stats[CLUSTER_EXTERNAL_UNKNOWN])
    elif classes == CLUSTER_INTERNAL_1XX:
        stat_inc(stats, conf.stats[CLUSTER_INTERNAL_UNKNOWN])


cdef void charge_scope(Stream *stream, const Scope *scope, uint16_t status) noexcept nogil:
    cdef uint64_t *stats = stream.engine.stats
    cdef int kind = status // 100 - 1
    stat_inc(stats, scope.stats[SCOPE_RQ_COMPLETED])
    if kind >= 0 and kind < 5:
        stat_inc(stats, scope.stats[SCOPE_RQ_1XX + kind])
        code_inc(stats, scope.codes, status)


cdef void charge(Stream *stream, uint16_t status, const Host *host) noexcept nogil:
    cdef ClusterConf *conf = stream.cluster.conf
    cdef uint64_t *stats = stream.engine.stats
    cdef bint canary = stream.bits & STREAM_CANARY != 0 or host != NULL and host.canary
    if stream.hcm.router.static_stats_only or stream.record.health_check:
        return
    charge_as(stats, conf, status, CLUSTER_RQ_COMPLETED, CLUSTER_RQ_1XX, conf.codes)
    if stream.bits & STREAM_INTERNAL:
        charge_as(stats, conf, status, CLUSTER_INTERNAL_COMPLETED, CLUSTER_INTERNAL_1XX, conf.internal_codes)
    else:
        charge_as(stats, conf, status, CLUSTER_EXTERNAL_COMPLETED, CLUSTER_EXTERNAL_1XX, conf.external_codes)
    if canary:
        charge_as(stats, conf, status, CLUSTER_CANARY_COMPLETED, CLUSTER_CANARY_1XX, conf.canary_codes)
    if charges_apart(stream):
        charge_apart(stream, status, host, canary)
    if stream.http.route.scoped:
        if stream.vcluster != NULL:
            charge_scope(stream, &stream.vcluster.scope, status)
        if stream.http.route.scope != NULL:
            charge_scope(stream, stream.http.route.scope, status)


cdef void charge_local(Engine *engine, ClusterConf *conf, uint16_t status) noexcept nogil:
    charge_as(engine.stats, conf, status, CLUSTER_RQ_COMPLETED, CLUSTER_RQ_1XX, conf.codes)
    charge_as(engine.stats, conf, status, CLUSTER_INTERNAL_COMPLETED, CLUSTER_INTERNAL_1XX, conf.internal_codes)


cdef void charge_retried(Stream *stream, uint16_t status) noexcept nogil:
    charge_as(stream.engine.stats, stream.cluster.conf, status, CLUSTER_RETRIED_COMPLETED, CLUSTER_RETRIED_1XX, stream.cluster.conf.retried_codes)


cdef void charge_note_canary(Stream *stream, const Host *host) noexcept nogil:
    cdef Head *response = &stream.response
    if host.canary or head_has(response, H_ENVOY_UPSTREAM_CANARY) and span_is(head_value(response, H_ENVOY_UPSTREAM_CANARY), b"true", 4):
        stream.bits |= STREAM_CANARY


cdef void charge_time(Stream *stream, const Host *host) noexcept nogil:
    cdef ClusterConf *conf = stream.cluster.conf
    cdef uint64_t *stats = stream.engine.stats
    cdef uint64_t ms
    if stream.record.request_end_ns == 0 or stream.hcm.router.static_stats_only or stream.record.health_check:
        return
    ms = (clock_ns(&stream.engine.loop.clock) - stream.record.request_end_ns) // NS_PER_MS
    histogram_record(stats, conf.rq_time, ms)
    histogram_record(stats, conf.internal_rq_time if stream.bits & STREAM_INTERNAL else conf.external_rq_time, ms)
    if stream.bits & STREAM_CANARY or charges_apart(stream):
        charge_time_apart(stream, ms, host)
    if stream.http.route.scoped:
        if stream.vcluster != NULL:
            histogram_record(stats, stream.vcluster.scope.rq_time, ms)
        if stream.http.route.scope != NULL:
            histogram_record(stats, stream.http.route.scope.rq_time, ms)


cdef void charge_scopes(Stream *stream, int stat) noexcept nogil:
    if stream.vcluster != NULL:
        stat_inc(stream.engine.stats, stream.vcluster.scope.stats[stat])
    if stream.http.route.scope != NULL:
        stat_inc(stream.engine.stats, stream.http.route.scope.stats[stat])
