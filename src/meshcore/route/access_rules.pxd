# Access rules: policies of role-based access control (envoy.config.rbac.v3) over what is known of a connection.
#
# Compiled on the main thread, immutable; asked by workers. A policy holds when one of its permissions and one of its principals do; policies
# are asked in the order of their names, as Envoy keeps them. A match tree may say it in their place; what it does not know is refused.
from libc.stdint cimport uint8_t, uint16_t

from meshcore.base.span cimport Span
from meshcore.observe.ip cimport Cidr
from meshcore.observe.metadata cimport FilterState
from meshcore.observe.record cimport IpAddress, Record
from meshcore.observe.tls_facts cimport TlsFacts
from meshcore.route.match_tree cimport MatchTree
from meshcore.route.matcher cimport StringMatcher

cdef enum AccessTest:
    # What one node of a rule asks.
    ACCESS_ANY
    ACCESS_ALL_OF                  # its parts
    ACCESS_ONE_OF
    ACCESS_NOT                     # its only part
    ACCESS_DESTINATION_IP
    ACCESS_DESTINATION_PORT        # from `first` until `last`, both included
    ACCESS_SERVER_NAME
    ACCESS_REMOTE_IP               # as a listener filter said
    ACCESS_DIRECT_REMOTE_IP        # the peer
    ACCESS_AUTHENTICATED           # by a certificate; `text` NULL: any
    ACCESS_FILTER_STATE            # the object `key`

cdef struct AccessRule:
    uint8_t test                   # AccessTest
    AccessRule *parts
    uint16_t parts_len
    Cidr block
    uint16_t first
    uint16_t last
    Span key
    StringMatcher *text

cdef enum AccessAction:
    ACCESS_ALLOW                   # who matches may, nobody else
    ACCESS_DENY                    # who matches may not
    ACCESS_LOG                     # everybody may

cdef struct AccessPolicy:
    Span name
    AccessRule permission
    AccessRule principal

cdef struct AccessVerdict:
    # What an action of a tree says.
    Span name
    uint8_t action                 # AccessAction

cdef struct AccessRules:
    uint8_t action                 # AccessAction
    AccessPolicy *policies
    uint16_t policies_len
    const MatchTree *tree          # in their place, its actions are numbers of `verdicts`; NULL: policies decide
    AccessVerdict *verdicts

cdef struct AccessFacts:
    const IpAddress *local
    const IpAddress *remote
    const IpAddress *direct_remote
    Span server_name
    TlsFacts *tls                  # NULL: plain bytes
    const FilterState *state
    const Record *record           # for a tree alone

# `policy`: the name of the one that decided; empty: none matched.
cdef bint access_allowed(const AccessRules *rules, const AccessFacts *facts, Span *policy) noexcept nogil
