# Thrift filters that leave facts on a call: header_to_metadata and payload_to_metadata.
#
# They read a call's headers, or named fields of its payload, and write dynamic metadata, which log lines show and subsets are chosen by
# (`envoy.lb`). A payload is read by the codec's events as it passes; only values that a rule asks for are copied. Settings are immutable
# and lie in a listener's table; everything else in the call's arena. Must not know calls, connections or statistics. Worker thread.
from libc.stdint cimport int16_t, uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.arena cimport Arena
from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.codec.thrift cimport ThriftLimits
from meshcore.codec.thrift_read cimport ThriftReader
from meshcore.filter.rate_limit_service cimport ThriftRateLimit
from meshcore.observe.metadata cimport Metadata
from meshcore.route.regex cimport Regex

cdef enum:
    THRIFT_RULES_MAX = 64          # payload rules of one filter; sets of them are bits of a word

cdef struct ThriftFact:
    # KeyValuePair: what is written, and where.
    Span namespace
    Span key
    Span value                     # instead of what was found; empty: that
    const Regex *regex             # NULL: it stays as it is
    Span substitution
    bint number
    bint protobuf                  # the bytes of a google.protobuf.Value
    bint base64

cdef struct ThriftRule:
    Span name                      # the header, in lower case; or the called name, or what it begins with; empty: every call
    bint service                   # `name` is a service and ends with a colon
    bint remove                    # the header goes no further
    const ThriftFact *present      # NULL: nothing is written
    const ThriftFact *missing

cdef struct ThriftField:
    # A field of a struct that rules lead to.
    int16_t id
    int16_t rule                   # that wants its value; -1: none does
    uint16_t fields_len
    const ThriftField *fields      # inside it, by id

cdef struct ThriftFilter:
    ThriftRule *rules
    uint16_t rules_len
    const ThriftField *payload     # the argument struct; NULL: the rules are about headers
    const ThriftRateLimit *limit   # it has no rules and asks a rate limit service; NULL: it does not

cdef struct ThriftProbe:
    # Where one filter stands in one payload.
    const ThriftFilter *filter
    ThriftProbe *next              # of the same call
    Arena *arena
    Metadata *metadata
    uint64_t rules                 # bits: those for this call of which no value has come
    uint32_t depth                 # structs open on the way that rules take
    uint32_t beside                # ... and structs and containers off that way
    const ThriftField *way[64]     # THRIFT_DEPTH_MAX
    const ThriftField *field       # at hand; NULL: no rule leads there
    char *text                     # a string that comes in pieces
    uint32_t text_len
    bint over                      # it is read, or it is no Thrift
    ThriftReader reader

cdef void thrift_headers_read(const ThriftFilter *filter, Head *headers, Metadata *metadata, Arena *arena) noexcept nogil
# NULL: no rule is for calls of that name, or no memory.
cdef ThriftProbe *thrift_probe_new(const ThriftFilter *filter, Span name, uint8_t protocol, const ThriftLimits *limits, Metadata *metadata,
                                   Arena *arena) noexcept nogil
cdef void thrift_probe_take(ThriftProbe *probe, Span piece) noexcept nogil         # the next bytes of the payload
cdef void thrift_probe_end(ThriftProbe *probe) noexcept nogil                      # there are no more: what did not come is missing
