# Rate limit rules: what makes two requests the same to a rate limiter (envoy.config.route.v3.RateLimit), compiled.
#
# A rule turns a request into a descriptor, a list of keys and values, or into nothing where one of its actions has no answer. Rules stand at
# routes, virtual hosts and in filters; the limits that go with descriptors are the filter's. Immutable, in a table's arena. Worker thread.
from libc.stdint cimport uint8_t, uint16_t, uint64_t

from meshcore.base.arena cimport Arena
from meshcore.base.runtime cimport RuntimeFraction
from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.observe.record cimport Record
from meshcore.route.matcher cimport HeaderMatcher, QueryMatcher

cdef enum RateAction:
    RATE_LITERAL                   # generic_key, source_cluster
    RATE_CLUSTER                   # destination_cluster
    RATE_HEADER
    RATE_QUERY
    RATE_ADDRESS
    RATE_MASKED_ADDRESS
    RATE_HEADERS_MATCH
    RATE_QUERY_MATCH
    RATE_METADATA
    RATE_METHOD                    # of a Thrift call: its name

cdef struct RateStep:
    uint8_t action                 # RateAction
    bint skip_if_absent            # no value: the entry is left out, not the descriptor
    bint expect                    # what a match has to answer
    uint8_t bits4                  # RATE_MASKED_ADDRESS
    uint8_t bits6
    Span key
    Span value                     # of a literal or a match; the default of metadata
    Span name                      # of a query parameter; the namespace of metadata
    HeaderMatcher *headers         # RATE_HEADER: one, that only names the header
    QueryMatcher *queries
    uint16_t matchers_len
    Span *path                     # into the metadata
    uint16_t path_len

cdef struct RateRule:
    RateStep *steps
    uint16_t steps_len
    uint8_t stage
    bint disable_key               # a runtime key decides whether it counts; local limits leave such rules out
    RuntimeFraction enabled        # ... which is in here
    uint64_t hits                  # tokens that a request costs
    bint hits_told                 # it is not the default: a service is told

cdef struct RateRules:
    RateRule *rules
    uint16_t len

cdef struct RateEntry:
    Span key
    Span value

cdef struct RateDescriptor:
    RateEntry *entries
    uint16_t len
    uint64_t hits
    bint hits_told
    uint64_t hash                  # of all entries

cdef uint64_t rate_hash(uint64_t hash, Span key, Span value) noexcept nogil               # one more entry
# False: the rule has no descriptor for this request. Values lie in the arena, or in the request and the table.
cdef bint rate_describe(const RateRule *rule, Head *request, Record *record, Arena *arena, RateDescriptor *out) noexcept nogil
