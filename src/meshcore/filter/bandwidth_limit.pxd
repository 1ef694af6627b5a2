# Bandwidth limit: request or response bodies of all streams together pass no faster than so many KiB a second. Worker thread.
#
# The bucket is shared by all workers and both directions, as in Envoy.
from libc.stdint cimport uint32_t

from meshcore.base.runtime cimport RuntimeCell
from meshcore.base.token_bucket cimport TokenBucket
from meshcore.filter.http cimport HttpFilterOps

cdef enum:                         # BandwidthStat: <stat_prefix>.http_bandwidth_limit.request_*, then the same of responses
    BANDWIDTH_ENABLED
    BANDWIDTH_ENFORCED
    BANDWIDTH_INCOMING_TOTAL
    BANDWIDTH_ALLOWED_TOTAL
    BANDWIDTH_PENDING              # gauges
    BANDWIDTH_INCOMING             # ... of the newest bytes
    BANDWIDTH_ALLOWED
    BANDWIDTH_STATS                # of one direction

cdef struct BandwidthConf:
    uint32_t stats[2 * BANDWIDTH_STATS]
    uint32_t durations[2]          # histograms, ms
    bint enabled
    RuntimeCell *enabled_cell
    bint request
    bint response
    TokenBucket bucket             # its atomic word is the only thing here that changes
    uint32_t interval_ms

cdef const HttpFilterOps *bandwidth_limit_filter() noexcept nogil
