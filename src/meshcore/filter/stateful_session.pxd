# Stateful session: a client comes back to the host that served it first. A cookie or a header of the request names that host, and the response
# tells the client when another one has answered. Worker thread.
#
# What the client keeps is "10.0.0.1:80" in Base64: as it is in a header, in a cookie as the field 1 of a small protobuf message, whose field 2
# says until when (seconds since 1970) it counts. A request whose path is not that of the cookie has no session.
from libc.stdint cimport uint32_t, uint64_t

from meshcore.base.span cimport Span
from meshcore.filter.http cimport HttpFilterOps

cdef enum:                         # SessionStat: http.<stat_prefix>.stateful_session.<stat_prefix>.*
    SESSION_ROUTED                 # the host that was named has answered
    SESSION_FAILED_OPEN            # another one has
    SESSION_FAILED_CLOSED          # strict: none has
    SESSION_NONE                   # no_session
    SESSION_STATS

cdef struct SessionConf:
    uint32_t stats[SESSION_STATS]
    bint counted                   # it has statistics
    bint disabled                  # on a route
    bint strict                    # that host or none
    bint is_cookie
    Span name                      # of the cookie, or of the header in lower case
    Span path                      # of the cookie; empty: any
    Span tail                      # of the cookie: what stands behind its value
    uint64_t ttl_s                 # of the cookie; 0: as long as the client keeps it

cdef const HttpFilterOps *stateful_session_filter() noexcept nogil
