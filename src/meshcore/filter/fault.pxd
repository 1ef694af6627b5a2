# Fault injection: delays, aborts and slow responses for a part of the requests, as configured or as the request's headers ask. Worker thread.
#
# A delay comes first and may be followed by an abort. One stream counts as one active fault, whatever is done to it.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.runtime cimport RuntimeCell, RuntimeFraction
from meshcore.base.span cimport Span
from meshcore.filter.http cimport HttpFilterOps
from meshcore.observe.metadata cimport MetaValue
from meshcore.route.matcher cimport HeaderMatcher

cdef enum:                         # FaultStat: http.<stat_prefix>.fault.*
    FAULT_ABORTS
    FAULT_DELAYS
    FAULT_OVERFLOW
    FAULT_SLOWED                   # response_rl_injected
    FAULT_ACTIVE
    FAULT_STATS

cdef struct FaultConf:
    uint32_t stats[FAULT_STATS]
    int64_t active                 # atomic, over all workers; that of the filter's own settings counts, not a route's
    uint64_t active_max
    RuntimeCell *active_max_cell
    bint delays
    bint delay_by_header
    uint64_t delay_ms
    RuntimeCell *delay_ms_cell
    RuntimeFraction delay_part
    bint aborts
    bint abort_by_header
    uint16_t abort_status          # 0: abort_grpc
    uint8_t abort_grpc
    RuntimeCell *abort_status_cell
    RuntimeCell *abort_grpc_cell
    RuntimeFraction abort_part
    bint slows
    bint slow_by_header
    uint64_t slow_kbps             # KiB/s
    RuntimeFraction slow_part
    Span upstream_cluster          # empty: any
    Span *nodes                    # x-envoy-downstream-service-node must be one of these
    uint16_t nodes_len             # 0: any
    HeaderMatcher *headers
    uint16_t headers_len
    Span name                      # of the filter in its chain: the namespace of its metadata
    const MetaValue *metadata      # a META_STRUCT; NULL: none

cdef const HttpFilterOps *fault_filter() noexcept nogil
