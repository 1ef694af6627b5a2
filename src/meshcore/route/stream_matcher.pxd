# Stream matchers: conditions upon what is known of a stream beside its head. The client's certificate, dynamic metadata and filter state,
# as Envoy's TlsContextMatchOptions, MetadataMatcher and FilterStateMatcher mean them.
#
# Immutable, in the table's arena, shared by all workers; filled by bind/stream_matchers.pyx. Few routes have any, so a route holds one
# pointer. They see what filters have left so far: a route is looked for before the filters run, and again when one asks for it.
from libc.stdint cimport uint8_t, uint16_t

from meshcore.base.span cimport Span
from meshcore.observe.ip cimport Cidr
from meshcore.observe.metadata cimport FilterState, Metadata, MetaValue
from meshcore.observe.record cimport Record
from meshcore.route.matcher cimport StringMatcher

cdef enum ValueTest:
    TEST_NULL
    TEST_BOOL                      # `flag`
    TEST_NUMBER                    # equal to `start`
    TEST_RANGE                     # start <= number < end
    TEST_STRING
    TEST_PRESENT                   # `flag`; False is never met
    TEST_ANY_ITEM                  # a list with an item that the only part accepts
    TEST_ANY_OF                    # one of the parts accepts it

cdef enum Asked:
    ASKED_NOTHING
    ASKED_NO
    ASKED_YES

cdef struct ValueMatcher:
    uint8_t test                   # ValueTest
    bint flag
    double start
    double end
    StringMatcher string
    ValueMatcher *parts
    uint16_t parts_len

cdef struct MetadataMatcher:
    Span namespace
    const Span *path
    uint16_t path_len
    bint invert
    ValueMatcher value

cdef struct FilterStateMatcher:
    Span key
    bint by_address                # `ranges`, not `string`
    StringMatcher string
    const Cidr *ranges
    uint16_t ranges_len

cdef struct StreamMatcher:
    uint8_t peer_presented         # Asked
    uint8_t peer_validated
    uint16_t metadata_len
    uint16_t filter_state_len
    const MetadataMatcher *metadata
    const FilterStateMatcher *filter_state

cdef bint value_accepted(const ValueMatcher *matcher, const MetaValue *value) noexcept nogil       # NULL: there is none
cdef bint metadata_accepted(const MetadataMatcher *matcher, const Metadata *store) noexcept nogil
cdef bint filter_state_accepted(const FilterStateMatcher *matcher, const FilterState *store) noexcept nogil
cdef bint stream_matches(const StreamMatcher *matcher, const Record *record) noexcept nogil        # all of its conditions
