"""Settings of native filters; see filter_compile.pxd for the law."""
from libc.stdint cimport INT64_MAX

from meshcore.base.clock cimport monotonic_ns
from meshcore.base.span cimport Span
from meshcore.base.token_bucket cimport bucket_init
from meshcore.bind.filter_scope cimport nearest
from meshcore.bind.matchers cimport compile_headers, keep
from meshcore.bind.metadata cimport metadata_value
from meshcore.bind.stats cimport Group, Layout
from meshcore.filter.bandwidth_limit cimport BANDWIDTH_STATS, BandwidthConf
from meshcore.filter.buffer cimport BufferConf
from meshcore.filter.fault cimport FAULT_STATS, FaultConf
from meshcore.observe.metadata cimport MetaValue

from meshcore.bind import filter_stats

cdef Layout fault_layout = Layout(filter_stats.FAULT)
cdef Layout bandwidth_layout = Layout(filter_stats.BANDWIDTH_LIMIT)


cdef void *compile_buffer(FilterScope scope, tuple specs) except NULL:
    cdef BufferConf *conf = <BufferConf *>scope.room(sizeof(BufferConf))
    spec = nearest(specs)
    conf.off = spec.disabled
    conf.max_bytes = spec.max_request_bytes
    return conf


# --- fault ----------------------------------------------------------------------------------------------------------


cdef int fill_fault_kinds(FilterScope scope, object spec, FaultConf *conf) except -1:
    if spec.delay is not None:
        conf.delays = True
        conf.delay_by_header = spec.delay.by_header
        conf.delay_ms = spec.delay.ms
        conf.delay_ms_cell = scope.cell(spec.delay.ms_key)
        scope.fraction(spec.delay.percentage, &conf.delay_part)
    if spec.abort is not None:
        conf.aborts = True
        conf.abort_by_header = spec.abort.by_header
        conf.abort_status = spec.abort.http_status
        conf.abort_grpc = spec.abort.grpc_status
        conf.abort_status_cell = scope.cell(spec.abort.http_key)
        conf.abort_grpc_cell = scope.cell(spec.abort.grpc_key)
        scope.fraction(spec.abort.percentage, &conf.abort_part)
    if spec.rate_limit is not None:
        conf.slows = True
        conf.slow_by_header = spec.rate_limit.by_header
        conf.slow_kbps = spec.rate_limit.kbps
        scope.fraction(spec.rate_limit.percentage, &conf.slow_part)
    return 0


cdef void *compile_fault(FilterScope scope, tuple specs) except NULL:
    cdef FaultConf *conf = <FaultConf *>scope.room(sizeof(FaultConf))
    spec = nearest(specs)
    scope.stats(scope.prefix + "fault.", fault_layout, FAULT_STATS, conf.stats)
    conf.active_max = INT64_MAX if spec.max_active_faults is None else spec.max_active_faults
    conf.active_max_cell = scope.cell(spec.max_active_key)
    fill_fault_kinds(scope, spec, conf)
    conf.upstream_cluster = keep(scope.arena, spec.upstream_cluster)
    conf.nodes_len = len(spec.downstream_nodes)
    conf.nodes = <Span *>scope.room(sizeof(Span) * conf.nodes_len)
    for i, node in enumerate(spec.downstream_nodes):
        conf.nodes[<int>i] = keep(scope.arena, node)
    conf.headers = compile_headers(scope.arena, scope.regexes, spec.headers, False, &conf.headers_len)
    conf.name = keep(scope.arena, scope.filter_name)
    if spec.metadata is not None:
        conf.metadata = <MetaValue *>scope.room(sizeof(MetaValue))
        metadata_value(scope.arena, spec.metadata, <MetaValue *>conf.metadata)
    return conf


# --- bandwidth limit ------------------------------------------------------------------------------------------------


cdef void *compile_bandwidth_limit(FilterScope scope, tuple specs) except NULL:
    cdef BandwidthConf *conf = <BandwidthConf *>scope.room(sizeof(BandwidthConf))
    cdef Group group
    cdef double rate
    spec = nearest(specs)
    group = scope.stats(spec.stat_prefix + ".http_bandwidth_limit.", bandwidth_layout, 2 * BANDWIDTH_STATS, conf.stats)
    conf.durations[0] = group.slot_of("request_transfer_duration")
    conf.durations[1] = group.slot_of("response_transfer_duration")
    conf.enabled = spec.enabled.value
    conf.enabled_cell = scope.cell(spec.enabled.key)
    conf.request = spec.request
    conf.response = spec.response
    conf.interval_ms = spec.fill_interval_ms
    rate = max(1, spec.limit_kbps) * 1024.0
    bucket_init(&conf.bucket, rate, rate, rate * conf.interval_ms / 1000.0, monotonic_ns())
    return conf
