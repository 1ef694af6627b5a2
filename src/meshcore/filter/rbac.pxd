# RBAC: which requests may pass, by access rules over the request, its route and its connection. Worker thread.
#
# Shadow rules are asked first, counted and told in dynamic metadata, and refuse nobody. Settings are immutable, in a table; a route's stand in
# place of the filter's, but count where the filter counts.
from libc.stdint cimport uint32_t

from meshcore.base.span cimport Span
from meshcore.filter.http cimport HttpFilterOps
from meshcore.route.access_rules cimport AccessRules

cdef enum:                         # RbacStat, of a side and of each of its policies
    RBAC_SAYS_YES                  # allowed, shadow_allowed
    RBAC_SAYS_NO                   # denied, shadow_denied
    RBAC_STATS

cdef struct RbacSide:
    const AccessRules *rules       # NULL: nothing is asked, nothing is counted
    uint32_t stats[RBAC_STATS]
    const uint32_t *of_policy      # RBAC_STATS slots for each policy or verdict; NULL: not counted
    Span policy_key                # names of dynamic metadata
    Span result_key

cdef struct RbacConf:
    RbacSide rules
    RbacSide shadow

cdef const HttpFilterOps *rbac_filter() noexcept nogil
