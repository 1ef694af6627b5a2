# Thrift: the Twitter protocol (Finagle's TTwitter): the binary protocol with a header struct before each envelope.
#
# A client asks for it with a call of THRIFT_UPGRADE_NAME; a server that agrees answers with an empty result, and from then on each
# side writes a RequestHeader or a ResponseHeader. The headers of both are kept as Envoy keeps them: contexts by their key, the client
# as ":client-id", the destination as ":dest", delegations as ":d:SOURCE". The law of the codec is in thrift.pxd.
from libc.stdint cimport int64_t, uint8_t, uint64_t

from meshcore.base.buffer cimport Buffer, BufferPool
from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.codec.thrift cimport *

cdef enum ThriftTraceField:
    TRACE_PARENT_SPAN_ID = 1
    TRACE_SAMPLED = 2
    TRACE_FLAGS = 4
    TRACE_ID_HIGH = 8

cdef struct ThriftTrace:
    # The numbers of a RequestHeader.
    uint8_t has                    # ThriftTraceField bits
    bint sampled
    int64_t trace_id
    int64_t span_id
    int64_t parent_span_id
    int64_t flags
    int64_t trace_id_high

cdef bint thrift_is_upgrade(const ThriftEnvelope *envelope) noexcept nogil
cdef Span thrift_upgrade_name() noexcept nogil
# `at` is where the header struct begins. THRIFT_OK and its bytes in `used`, MORE, or ERROR.
cdef int thrift_twitter_find(const char *at, size_t n, uint64_t room, const ThriftLimits *limits, size_t *used,
                             uint8_t *error) noexcept nogil
# A header struct that thrift_twitter_find has found. Copies what it tells into `headers` (which must be there); unknown fields are
# passed over, fields of another type too. `spans` is the list of a ResponseHeader as it came, or empty. A ThriftError.
cdef int thrift_twitter_read(Span header, const ThriftLimits *limits, ThriftTrace *trace, Head *headers, Span *spans) noexcept nogil
# Appends the header struct of a request or of a reply. A ThriftError.
cdef int thrift_twitter_write(BufferPool *pool, Buffer *out, bint reply, const ThriftTrace *trace, Head *headers,
                              Span spans) noexcept nogil
