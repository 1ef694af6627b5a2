# Adaptive concurrency: refuses requests above a limit that follows the upstream's latency (gradient.pxd). Worker thread.
#
# Gauges of a controller are shown by whichever worker moved it: it adds the difference to what all of them have added so far.
from libc.stdint cimport int64_t, uint16_t, uint32_t

from meshcore.base.runtime cimport RuntimeCell
from meshcore.filter.gradient cimport GRADIENT_GAUGES, Gradient, GradientLaw
from meshcore.filter.http cimport HttpFilterOps

cdef enum:                         # ConcurrencyStat: http.<stat_prefix>.adaptive_concurrency.gradient_controller.*
    CONCURRENCY_BLOCKED            # rq_blocked
    CONCURRENCY_STATS

cdef struct ConcurrencyConf:
    uint32_t stats[CONCURRENCY_STATS]
    uint32_t gauges[GRADIENT_GAUGES]
    bint enabled
    RuntimeCell *enabled_cell
    uint16_t status
    GradientLaw law                # percentages as shares
    RuntimeCell *interval_cell
    RuntimeCell *sample_cell
    RuntimeCell *most_cell
    RuntimeCell *least_cell
    RuntimeCell *count_cell
    RuntimeCell *quantile_cell     # percent
    RuntimeCell *jitter_cell       # percent
    RuntimeCell *buffer_cell       # percent
    Gradient gradient
    int64_t shown[GRADIENT_GAUGES]         # behind the controller's lock

cdef void concurrency_law(const ConcurrencyConf *conf, GradientLaw *out) noexcept nogil        # as runtime has it now
cdef const HttpFilterOps *adaptive_concurrency_filter() noexcept nogil
