# Access rules: policies of role-based access control (envoy.config.rbac.v3) over what is known of a connection, and of a request if there is one.
#
# Compiled on the main thread, immutable; asked by workers, for the network filter and the HTTP filter alike. A policy holds when one of its
# permissions and one of its principals do; policies are asked in the order of their names, as Envoy keeps them. A match tree may say it in
# their place; what it does not know is refused.
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t

from meshcore.base.arena cimport Arena
from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.observe.ip cimport Cidr
from meshcore.observe.metadata cimport FilterState
from meshcore.observe.record cimport IpAddress, Record
from meshcore.observe.tls_facts cimport TlsFacts
from meshcore.route.access_index cimport AccessIndex
from meshcore.route.match_tree cimport MatchTree
from meshcore.route.matcher cimport HeaderMatcher, StringMatcher
from meshcore.route.stream_matcher cimport FilterStateMatcher, MetadataMatcher

cdef enum AccessTest:
    # What one node of a rule asks.
    ACCESS_ANY
    ACCESS_ALL_OF                  # its parts
    ACCESS_ONE_OF
    ACCESS_NOT                     # its only part
    ACCESS_DESTINATION_IP
    ACCESS_DESTINATION_PORT        # from `first` until `last`, both included
    ACCESS_SERVER_NAME
    ACCESS_SOURCE_IP               # as a listener filter said
    ACCESS_REMOTE_IP               # ... or the request
    ACCESS_DIRECT_REMOTE_IP        # the peer
    ACCESS_AUTHENTICATED           # by a certificate; `text` NULL: any
    ACCESS_FILTER_STATE
    ACCESS_HEADER                  # from here on of requests alone
    ACCESS_PATH                    # without its query
    ACCESS_METADATA
    ACCESS_ROUTE_METADATA

cdef struct AccessRule:
    uint8_t test                   # AccessTest
    AccessRule *parts
    uint16_t parts_len
    Cidr block
    uint16_t first
    uint16_t last
    StringMatcher *text
    FilterStateMatcher *state
    HeaderMatcher *header
    MetadataMatcher *metadata

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
    bint hints                     # some verdict is ACCESS_LOG
    AccessPolicy *policies
    uint32_t policies_len
    uint8_t looked_up              # ACCESS_PATH, ACCESS_HEADER: what `index` knows policies by; ACCESS_ANY: there is no index
    HeaderMatcher *lookup_header   # the header's name
    AccessIndex index
    const MatchTree *tree          # in their place, its actions are numbers of `verdicts`; NULL: policies decide
    AccessVerdict *verdicts

cdef struct AccessFacts:
    const IpAddress *local
    const IpAddress *source        # of the connection
    const IpAddress *remote
    const IpAddress *direct_remote
    Span server_name
    TlsFacts *tls                  # NULL: plain bytes
    const FilterState *state
    Head *request                  # NULL: there is none, and no rule asks for one
    const Record *record           # for a tree, and for requests

cdef struct AccessAnswer:
    bint allowed
    int32_t place                  # of the policy or verdict that decided; -1: none matched
    Span policy                    # its name
    bint hinted                    # an action LOG has looked: `hint` is what access logs are told
    bint hint

cdef void access_ask(const AccessRules *rules, const AccessFacts *facts, AccessAnswer *answer) noexcept nogil
# Of a refusal, in response-code and termination details; empty: no memory.
cdef Span access_details(const AccessAnswer *answer, Arena *arena) noexcept nogil
