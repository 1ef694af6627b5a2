# Thrift: what a reply says before its payload is read, and the reply that a proxy gives itself: an application exception.
#
# The law of the codec is in thrift.pxd. Generated clients raise TApplicationException for what thrift_exception_write makes.
from libc.stdint cimport int32_t, uint8_t, uint64_t

from meshcore.base.buffer cimport Buffer, BufferPool
from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.codec.thrift cimport *
from meshcore.codec.thrift_frame cimport ThriftFrameHead

cdef enum ThriftReplyKind:
    REPLY_MORE                     # the first bytes of the result struct are not there yet
    REPLY_SUCCESS                  # field 0, or nothing: a void method
    REPLY_ERROR                    # any other field: an exception that the service declares
    REPLY_BAD

cdef enum ThriftExceptionType:
    # TApplicationException's numbers.
    EXCEPTION_UNKNOWN = 0
    EXCEPTION_UNKNOWN_METHOD = 1
    EXCEPTION_INVALID_MESSAGE_TYPE = 2
    EXCEPTION_WRONG_METHOD_NAME = 3
    EXCEPTION_BAD_SEQUENCE_ID = 4
    EXCEPTION_MISSING_RESULT = 5
    EXCEPTION_INTERNAL_ERROR = 6
    EXCEPTION_PROTOCOL_ERROR = 7
    EXCEPTION_INVALID_TRANSFORM = 8
    EXCEPTION_INVALID_PROTOCOL = 9
    EXCEPTION_UNSUPPORTED_CLIENT_TYPE = 10

# Of the first n bytes of a reply's payload; REPLY_MORE only while n is below THRIFT_ATOM_MAX.
cdef int thrift_reply_kind(const char *at, size_t n, uint8_t protocol) noexcept nogil

# Appends a whole message to `out`: frame, envelope with the name and sequence id of `request`, and the exception. `frame` says in
# which transport (size and protocol are filled here), `headers` may be NULL, `lead` is that of
# thrift_head_write. A ThriftError; what a failed call appended is of no use.
cdef int thrift_exception_write(BufferPool *pool, Buffer *out, const ThriftFrameHead *frame, Head *headers, Span lead,
                                const ThriftEnvelope *request, int32_t type, Span message) noexcept nogil
# Appends the head of a frame, `lead` (the header struct of the Twitter protocol, or nothing) and the envelope, for a payload of `size`
# bytes that follows as it is. A ThriftError.
cdef int thrift_head_write(BufferPool *pool, Buffer *out, const ThriftFrameHead *frame, Head *headers, Span lead,
                           const ThriftEnvelope *envelope, uint64_t size) noexcept nogil
