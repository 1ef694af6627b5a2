# CORS: answers preflights and marks responses for origins that the route's policy allows. Without a policy it does nothing. Worker thread.
from libc.stdint cimport uint16_t, uint32_t

from meshcore.base.runtime cimport RuntimeFraction
from meshcore.base.span cimport Span
from meshcore.filter.http cimport HttpFilterOps
from meshcore.route.matcher cimport StringMatcher

cdef enum:                         # CorsStat: http.<stat_prefix>.cors.*
    CORS_VALID
    CORS_INVALID
    CORS_STATS

cdef struct CorsConf:
    # What the levels of a route say together: each value is that of the most specific level that has one. `present`: there is a level.
    uint32_t stats[CORS_STATS]
    bint present
    StringMatcher *origins
    uint16_t origins_len
    bint enabled_given             # filter_enabled; without it the filter is on
    RuntimeFraction enabled
    bint shadow_given
    RuntimeFraction shadow
    Span methods
    Span headers
    Span expose
    Span max_age
    bint credentials
    bint private_network
    bint forward_preflights        # of origins that are not allowed

cdef const HttpFilterOps *cors_filter() noexcept nogil
