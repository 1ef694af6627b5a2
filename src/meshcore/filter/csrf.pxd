# CSRF: refuses requests that change something and come from another origin than the host they are sent to. Worker thread.
from libc.stdint cimport uint16_t, uint32_t

from meshcore.base.runtime cimport RuntimeFraction
from meshcore.filter.http cimport HttpFilterOps
from meshcore.route.matcher cimport StringMatcher

cdef enum:                         # CsrfStat: http.<stat_prefix>.csrf.*
    CSRF_MISSING
    CSRF_INVALID
    CSRF_VALID
    CSRF_STATS

cdef struct CsrfConf:
    uint32_t stats[CSRF_STATS]
    RuntimeFraction enabled
    bint shadow_given
    RuntimeFraction shadow         # counts, and lets pass
    StringMatcher *origins         # that may come as well
    uint16_t origins_len

cdef const HttpFilterOps *csrf_filter() noexcept nogil
