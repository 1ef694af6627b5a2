"""Settings of admission control and adaptive concurrency, and where their shared state begins; see filter_limits.pxd."""
from libc.stdint cimport uint32_t

from meshcore.base.clock cimport monotonic_ns
from meshcore.bind.filter_scope cimport FilterScope, nearest
from meshcore.bind.stats cimport Group, Layout
from meshcore.filter.adaptive_concurrency cimport CONCURRENCY_STATS, ConcurrencyConf, concurrency_law
from meshcore.filter.admission cimport AdmissionSlice, admission_slices
from meshcore.filter.admission_control cimport ADMISSION_STATS, AdmissionConf, StatusRange
from meshcore.filter.gradient cimport GRADIENT_GAUGES, GradientLaw, gradient_start

from meshcore.bind import filter_stats

cdef enum:
    NS_PER_MS = 1000000

cdef Layout admission_layout = Layout(filter_stats.ADMISSION_CONTROL)
cdef Layout gradient_layout = Layout(filter_stats.GRADIENT_CONTROLLER)
KEYS = "adaptive_concurrency.gradient_controller."


cdef void *compile_admission_control(FilterScope scope, tuple specs) except NULL:
    cdef AdmissionConf *conf = <AdmissionConf *>scope.room(sizeof(AdmissionConf))
    spec = nearest(specs)
    scope.stats(scope.prefix + "admission_control.", admission_layout, ADMISSION_STATS, conf.stats)
    conf.enabled = spec.enabled.value
    conf.enabled_cell = scope.cell(spec.enabled.key)
    conf.law.threshold = spec.sr_threshold.value / 100
    conf.threshold_cell = scope.cell(spec.sr_threshold.key)
    conf.law.aggression = spec.aggression.value
    conf.aggression_cell = scope.cell(spec.aggression.key)
    conf.law.most = spec.max_rejection_probability.value / 100
    conf.most_cell = scope.cell(spec.max_rejection_probability.key)
    conf.law.least_rps = <uint32_t>spec.rps_threshold.value
    conf.rps_cell = scope.cell(spec.rps_threshold.key)
    conf.successes_len = len(spec.http_successes)
    conf.successes = <StatusRange *>scope.room(sizeof(StatusRange) * conf.successes_len)
    for i, (first, end) in enumerate(spec.http_successes):
        conf.successes[<int>i].first = first
        conf.successes[<int>i].end = end
    for status in spec.grpc_successes:
        conf.grpc_successes |= <uint32_t>1 << <int>status
    conf.history.window_ns = spec.sampling_window_ms * NS_PER_MS
    conf.history.cap = admission_slices(conf.history.window_ns)
    conf.history.slices = <AdmissionSlice *>scope.room(sizeof(AdmissionSlice) * conf.history.cap)
    return conf


cdef int fill_law(FilterScope scope, object spec, ConcurrencyConf *conf) except -1:
    conf.law.interval_ms = spec.interval_ms
    conf.interval_cell = scope.cell(KEYS + "min_rtt_calc_interval_ms")
    conf.law.sample_ms = spec.update_interval_ms
    conf.sample_cell = scope.cell(KEYS + "sample_rtt_calc_interval_ms")
    conf.law.most = spec.max_concurrency_limit
    conf.most_cell = scope.cell(KEYS + "max_concurrency_limit")
    conf.law.least = spec.min_concurrency
    conf.least_cell = scope.cell(KEYS + "min_concurrency")
    conf.law.count = spec.request_count
    conf.count_cell = scope.cell(KEYS + "min_rtt_aggregate_request_count")
    conf.law.quantile = spec.percentile / 100
    conf.quantile_cell = scope.cell(KEYS + "sample_aggregate_percentile")
    conf.law.jitter = spec.jitter / 100
    conf.jitter_cell = scope.cell(KEYS + "jitter")
    conf.law.buffer = spec.buffer / 100
    conf.buffer_cell = scope.cell(KEYS + "min_rtt_buffer")
    conf.law.fixed_ns = spec.fixed_value_ms * NS_PER_MS
    return 0


cdef void *compile_adaptive_concurrency(FilterScope scope, tuple specs) except NULL:
    cdef ConcurrencyConf *conf = <ConcurrencyConf *>scope.room(sizeof(ConcurrencyConf))
    cdef Group group
    cdef GradientLaw law
    cdef int i
    spec = nearest(specs)
    prefix = scope.prefix + KEYS
    group = scope.stats(prefix, gradient_layout, CONCURRENCY_STATS, conf.stats)
    conf.enabled = spec.enabled.value
    conf.enabled_cell = scope.cell(spec.enabled.key)
    conf.status = spec.status
    fill_law(scope, spec, conf)
    concurrency_law(conf, &law)
    gradient_start(&conf.gradient, &law, monotonic_ns())
    for i in range(GRADIENT_GAUGES):
        name = filter_stats.GRADIENT_GAUGES[i]
        conf.gauges[i] = group.slot_of(name)
        if group.owners == 1:
            scope.registry.set_gauge(prefix + name, conf.gradient.gauges[i])
        # Another one of that name, or the one that this replaces, may have moved it.
        conf.shown[i] = <long long>scope.registry.value(prefix + name)
    return conf
