# Local rate limit: token buckets of this process, shared by all workers: one for everybody, one per descriptor, one per client key, or all of
# these per downstream connection. Worker thread.
#
# Immutable but for the buckets' atomic words. A descriptor with an empty value stands for every value: each gets a bucket of its own.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.bucket_table cimport BucketTable
from meshcore.base.runtime cimport RuntimeFraction
from meshcore.filter.http cimport HttpFilterOps
from meshcore.route.mutation cimport HeaderAdd
from meshcore.route.rate_limit cimport RateEntry, RateRules

cdef enum:                         # RateLimitStat: <stat_prefix>.http_local_rate_limit.*
    RATE_LIMIT_ENABLED
    RATE_LIMIT_ENFORCED
    RATE_LIMIT_OK
    RATE_LIMIT_LIMITED
    RATE_LIMIT_STATS

cdef enum HostRates:
    # vh_rate_limits: whether the virtual host's rules count beside the route's.
    HOST_RATES_OVERRIDE            # where the route has none
    HOST_RATES_INCLUDE
    HOST_RATES_IGNORE

cdef struct Limit:
    # A bucket's shape, and its word: in force for one key, or for each key of `keys`.
    double max                     # 0: nothing passes
    double per_second
    int64_t word                   # atomic
    BucketTable *keys              # NULL: one bucket for all

cdef struct LocalDescriptor:
    RateEntry *entries
    uint16_t len
    uint64_t hash                  # of a descriptor without an empty value
    LocalDescriptor *next          # in its bucket of the index
    Limit limit

cdef struct LocalRateLimitConf:
    uint32_t stats[RATE_LIMIT_STATS]
    RuntimeFraction enabled_part
    RuntimeFraction enforced_part
    bint limits                    # there is a bucket for everybody
    Limit limit
    bint always_default            # that bucket is asked after a descriptor's, too
    bint per_connection
    bint headers                   # x-ratelimit-*
    uint8_t stage
    uint8_t host_rates             # HostRates
    uint8_t grpc                   # as LocalReply.grpc
    uint16_t status
    RateRules rules                # in place of the route's; none: the route's
    LocalDescriptor **index        # by hash
    uint32_t index_mask
    LocalDescriptor *wild          # those with an empty value, in configured order
    uint16_t wild_len
    uint16_t descriptors_len
    HeaderAdd *request_add         # when a request is over the limit and passes all the same
    uint16_t request_add_len
    HeaderAdd *response_add
    uint16_t response_add_len

cdef const HttpFilterOps *local_ratelimit_filter() noexcept nogil
