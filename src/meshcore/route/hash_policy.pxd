# Hash policy: which facts of a request decide where a hashing balancer sends it (RouteAction.hash_policy), and the number they make.
#
# Compiled with the route table (or the cluster) on the main thread, immutable; run by workers, once per request that goes to a hashing
# balancer. A cookie rule may ask for a cookie that makes the client come back to the same host. Strings of an answer lie in the stream's arena.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t

from meshcore.base.arena cimport Arena
from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.observe.metadata cimport FilterState
from meshcore.observe.record cimport IpAddress
from meshcore.route.regex cimport Regex

cdef enum HashRuleKind:
    HASH_HEADER
    HASH_COOKIE
    HASH_SOURCE_IP
    HASH_QUERY
    HASH_FILTER_STATE

cdef struct HashRule:
    uint8_t kind                   # HashRuleKind
    bint terminal                  # once there is a hash, no further rule is asked
    Span name                      # of the header (lower case), cookie, parameter or filter state
    const Regex *regex             # header: rewrites each value before it is hashed; NULL: none
    Span substitution
    bint makes_cookie              # cookie: when there is none, the client gets one
    Span cookie_tail               # ... what stands after its value: age, path, attributes

cdef struct HashPolicy:
    HashRule *rules
    uint16_t len

cdef struct SetCookie:
    Span value                     # of one set-cookie header
    SetCookie *next

cdef struct HashSource:
    # What a policy looks at.
    Head *request
    const IpAddress *remote        # the client, as x-forwarded-for says
    const IpAddress *peer          # both ends of the connection, for the value of a new cookie
    const IpAddress *local
    const FilterState *state
    Arena *arena

cdef struct HashAnswer:
    uint64_t hash
    bint found
    SetCookie *cookies             # for the response; NULL: none

cdef void hash_policy_run(const HashPolicy *policy, const HashSource *source, HashAnswer *out) noexcept nogil
