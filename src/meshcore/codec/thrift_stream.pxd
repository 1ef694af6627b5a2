# Thrift: one direction of a connection as messages: frames, envelopes and payload bytes. The law of the codec is in thrift.pxd.
#
# The head of a message (frame and envelope) is read whole or not at all: after STREAM_MORE the caller keeps what was not consumed and
# offers it again with more bytes behind it. Payload bytes are spans of the input and pass by at once; a framed payload is counted
# and never looked into, an unframed one is walked to find its end. Transport and protocol, once told from the first message, stay.
from libc.stdint cimport uint8_t, uint64_t

from meshcore.base.span cimport Span
from meshcore.codec.thrift cimport *
from meshcore.codec.thrift_frame cimport ThriftFrameHead
from meshcore.codec.thrift_read cimport ThriftReader

cdef enum ThriftStreamState:
    # thrift_stream_state_name prints it.
    STREAM_HEAD
    STREAM_PAYLOAD                 # counted
    STREAM_WALK                    # unframed: the reader finds the end
    STREAM_COMPRESSED              # counted; the envelope is inside
    STREAM_BROKEN

cdef enum ThriftStreamEvent:
    STREAM_MORE
    STREAM_MESSAGE                 # `frame` and `envelope` are there; their spans die with the input
    STREAM_BYTES                   # a piece of the payload, or of what is compressed
    STREAM_END                     # the message is complete
    STREAM_ERROR

cdef struct ThriftStream:
    const ThriftLimits *limits
    uint8_t transport              # AUTO until the first message
    uint8_t protocol
    uint8_t state                  # ThriftStreamState
    uint8_t error                  # ThriftError
    bint upgraded                  # Twitter: set by the caller when both sides have agreed; from then on headers come first
    Span twitter                   # the header struct of the message at hand; dies with the input
    bint compressed                # of the message at hand: its envelope is not read, see thrift_zlib
    uint64_t wanted                # bytes below which a head needs no second look
    uint64_t left                  # of the frame
    ThriftFrameHead frame
    ThriftEnvelope envelope
    ThriftReader *reader           # the caller's, and only for unframed messages

cdef void thrift_stream_init(ThriftStream *stream, uint8_t transport, uint8_t protocol, const ThriftLimits *limits,
                             ThriftReader *reader) noexcept nogil
cdef int thrift_stream_next(ThriftStream *stream, const char **at, const char *end, Span *piece) noexcept nogil
# The envelope of a payload that was compressed. THRIFT_OK or THRIFT_ERROR (stream.error); `used` is where the struct begins.
cdef int thrift_stream_inflated(ThriftStream *stream, const char *at, size_t n, size_t *used) noexcept nogil
cdef const char *thrift_stream_state_name(uint8_t state) noexcept nogil
