# Matchers: string, header and query conditions as Envoy's HeaderMatcher, StringMatcher and QueryParameterMatcher mean them.
#
# Immutable, in the table's arena, shared by all workers; filled by bind/matchers.pyx. A header on several lines matches when one
# of its values does (and an inverted condition holds when none does); only the names that Envoy keeps on one line (`joins`) are
# looked at as one value: their lines are joined in the head, the one thing that a matcher may change there. "Missing" is a header
# that is not there, not an empty one.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.route.regex cimport Regex

cdef enum StringKind:
    STRING_EXACT
    STRING_PREFIX
    STRING_SUFFIX
    STRING_CONTAINS
    STRING_REGEX

cdef enum HeaderKind:
    HEADER_STRING
    HEADER_PRESENT
    HEADER_RANGE

cdef enum HeaderSource:
    SOURCE_HEADER                  # an ordinary header
    SOURCE_METHOD
    SOURCE_PATH
    SOURCE_AUTHORITY               # :authority, and host
    SOURCE_SCHEME
    SOURCE_PROTOCOL                # :protocol, which only HTTP/2 and later have
    SOURCE_STATUS
    SOURCE_NEVER                   # any other pseudo-header: always missing

cdef struct StringMatcher:
    uint8_t kind                   # StringKind
    bint ignore_case
    Span value                     # lower case when ignore_case
    const Regex *regex

cdef struct HeaderMatcher:
    Span name                      # lower case
    uint8_t id                     # KnownHeader
    uint8_t source                 # HeaderSource
    uint8_t kind                   # HeaderKind
    bint invert
    bint missing_as_empty
    bint joins                     # several lines of this name count as one value
    bint present                   # what HEADER_PRESENT asks for
    StringMatcher string
    int64_t start                  # HEADER_RANGE: start <= value < end
    int64_t end

cdef struct QueryMatcher:
    Span name
    bint presence_only             # `present` decides, `string` is unused
    bint present
    StringMatcher string

cdef bint string_matches(const StringMatcher *matcher, Span text) noexcept nogil
cdef bint header_matches(const HeaderMatcher *matcher, Head *head) noexcept nogil
cdef bint header_nth_value(const HeaderMatcher *matcher, Head *request, uint32_t n, Span *value) noexcept nogil    # False: no more; requests
cdef bint header_first_value(Head *request, Span lower_name, Span *value) noexcept nogil          # pseudo-headers too; False: missing
cdef bint headers_match_all(const HeaderMatcher *matchers, uint16_t n, Head *head) noexcept nogil    # an empty list matches
cdef bint headers_match_any(const HeaderMatcher *matchers, uint16_t n, Head *head) noexcept nogil    # an empty list does not
cdef bint queries_match_all(const QueryMatcher *matchers, uint16_t n, Span path) noexcept nogil      # path with its query
cdef bint query_find(Span path, Span name, Span *value) noexcept nogil     # the first of that name; not percent-decoded
cdef uint8_t header_source(Span lower_name) noexcept nogil                 # HeaderSource of a name
