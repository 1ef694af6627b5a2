# Rate limit: asks a service whether a request may pass (envoy.filters.http.ratelimit).
#
# What it is asked are the descriptors of the rules that count for the request: those of the route and its virtual host for this filter's
# stage, or the filter's own. A request without a descriptor, or without a route that forwards, passes unasked. Settings are immutable, in a
# table. Worker thread.
from libc.stdint cimport uint8_t, uint16_t

from meshcore.base.runtime cimport RuntimeFraction
from meshcore.filter.http cimport HttpFilterOps
from meshcore.filter.rate_limit_service cimport RateLimitService
from meshcore.route.mutation cimport HeaderAdd
from meshcore.route.rate_limit cimport RateRules

cdef enum RequestType:
    REQUEST_BOTH
    REQUEST_INTERNAL
    REQUEST_EXTERNAL

cdef struct RateLimitConf:
    RateLimitService service
    uint8_t stage
    uint8_t request_type           # RequestType
    RuntimeFraction enabled
    RuntimeFraction enforced
    RuntimeFraction denied         # the share of requests that a failure of the service refuses
    bint headers                   # x-ratelimit-*
    bint says_limited              # x-envoy-ratelimited
    uint8_t grpc                   # as LocalReply.grpc
    uint16_t status
    uint16_t error_status
    uint8_t host_rates             # HostRates
    RateRules rules                # in place of the route's; none: the route's
    HeaderAdd *response_add        # of what is refused
    uint16_t response_add_len

cdef const HttpFilterOps *ratelimit_filter() noexcept nogil
