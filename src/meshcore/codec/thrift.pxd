# Thrift: the words that the parts of the codec share (thrift_frame, thrift_message, thrift_read, thrift_write and their helpers).
#
# The codec is bytes in, frames, envelopes and typed events out; events in, bytes out. No I/O, no clock, no connection, no service
# definition: everything it knows it read from the wire. What is bounded by a size is checked against that size and against what is
# left of the frame before anything is reserved for it, so what a peer claims costs nothing. Every error is the fault of whoever sent
# the bytes; after any of them the place of the next message is unknown and the caller closes the connection. One value of each
# struct belongs to one direction of one connection, one thread. Wire formats: the Apache Thrift specifications of the binary and
# the compact protocol, and of THeader.
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.span cimport Span

cdef enum ThriftType:
    # Types of values, numbered as the binary protocol does.
    THRIFT_STOP = 0
    THRIFT_BOOL = 2
    THRIFT_BYTE = 3
    THRIFT_DOUBLE = 4
    THRIFT_I16 = 6
    THRIFT_I32 = 8
    THRIFT_I64 = 10
    THRIFT_STRING = 11             # text and binary look the same on the wire
    THRIFT_STRUCT = 12
    THRIFT_MAP = 13
    THRIFT_SET = 14
    THRIFT_LIST = 15
    THRIFT_UUID = 16
    THRIFT_TYPES                   # how many numbers there are

cdef enum ThriftProtocol:
    THRIFT_PROTOCOL_AUTO           # as the first bytes, or the header transport, say
    THRIFT_BINARY                  # strict: the version in front
    THRIFT_BINARY_LAX              # the old envelope, which begins with the length of the name
    THRIFT_COMPACT
    THRIFT_TWITTER                 # binary with a header struct before each message, once both sides have agreed

cdef enum ThriftTransport:
    THRIFT_TRANSPORT_AUTO
    THRIFT_FRAMED
    THRIFT_UNFRAMED
    THRIFT_HEADER

cdef enum ThriftMessageType:
    THRIFT_CALL = 1
    THRIFT_REPLY = 2
    THRIFT_EXCEPTION = 3
    THRIFT_ONEWAY = 4

cdef enum ThriftResult:
    THRIFT_OK                      # done, or there is an event
    THRIFT_MORE                    # not enough bytes
    THRIFT_DONE                    # reader only: the value has been read to its end
    THRIFT_ERROR

cdef enum ThriftError:
    # thrift_error_name prints them; the names are those of the enum without the prefix, in lower case.
    THRIFT_NO_ERROR
    THRIFT_BAD_TRANSPORT           # the first bytes belong to no transport that is spoken here
    THRIFT_BAD_FRAME_SIZE          # zero, negative, or above the limit
    THRIFT_BAD_HEADER              # the header block does not fit its size
    THRIFT_UNKNOWN_TRANSFORM       # a transform other than ZLIB
    THRIFT_BAD_TRANSFORM           # the compressed bytes are no ZLIB stream
    THRIFT_INFLATED_TOO_LARGE
    THRIFT_BAD_PROTOCOL            # the first bytes of a message belong to no protocol, or to another than was agreed
    THRIFT_BAD_MESSAGE_TYPE
    THRIFT_NAME_TOO_LONG
    THRIFT_BAD_TYPE                # a field or an element of a type that does not exist
    THRIFT_NEGATIVE_SIZE
    THRIFT_STRING_TOO_LONG
    THRIFT_CONTAINER_TOO_LARGE
    THRIFT_TOO_DEEP
    THRIFT_BAD_VARINT              # more bytes than the widest number takes
    THRIFT_OUT_OF_RANGE            # a number that does not fit its type
    THRIFT_TRUNCATED               # the frame ends, or cannot but end, inside a value
    THRIFT_TRAILING                # the frame goes on after its message
    THRIFT_BAD_ORDER               # writer: an event where it cannot stand; a bug of the caller
    THRIFT_NO_MEMORY
    THRIFT_ERRORS                  # how many there are

cdef enum:
    THRIFT_DEPTH_MAX = 64          # structs and containers open at once; the default of Apache's libraries
    THRIFT_TRANSFORMS_MAX = 4      # transforms of one frame
    THRIFT_TRANSFORM_ZLIB = 1
    THRIFT_ATOM_MAX = 16           # no part that is read at once is longer

cdef extern from *:
    """
    #define THRIFT_UNBOUNDED 0xffffffffffffffffULL
    """
    const uint64_t THRIFT_UNBOUNDED    # a payload that ends where its struct ends

cdef struct ThriftLimits:
    # Immutable, in a table. All of them hold for one message.
    uint32_t max_frame_bytes       # framed transport
    uint32_t max_header_frame_bytes    # header transport, with its header block
    uint32_t max_header_bytes      # that block alone
    uint32_t max_inflated_bytes
    uint32_t max_name_bytes
    uint32_t max_string_bytes
    uint32_t max_container         # elements, or pairs of a map
    uint8_t max_depth              # at most THRIFT_DEPTH_MAX

cdef struct ThriftEnvelope:
    # What thrift_message reads and writes before the payload.
    uint8_t protocol               # ThriftProtocol, never AUTO
    uint8_t type                   # ThriftMessageType
    int32_t seqid
    Span name                      # with the service before a ":" when the call is multiplexed

cdef enum ThriftEventKind:
    THRIFT_EVENT_STRUCT_BEGIN
    THRIFT_EVENT_STRUCT_END
    THRIFT_EVENT_FIELD             # `type` and `id`; its value comes next
    THRIFT_EVENT_LIST_BEGIN        # `type` of the elements and `size`
    THRIFT_EVENT_LIST_END
    THRIFT_EVENT_SET_BEGIN
    THRIFT_EVENT_SET_END
    THRIFT_EVENT_MAP_BEGIN         # `key_type`, `type` of the values and `size`; keys and values come in turn
    THRIFT_EVENT_MAP_END
    THRIFT_EVENT_NUMBER            # `type` says which; `number`, or `real` for doubles
    THRIFT_EVENT_STRING            # `size` in all and the first `bytes` of it; the rest in THRIFT_EVENT_BYTES
    THRIFT_EVENT_BYTES             # the next `bytes` of the string
    THRIFT_EVENT_UUID              # sixteen `bytes`

cdef struct ThriftEvent:
    uint8_t kind                   # ThriftEventKind
    uint8_t type                   # ThriftType
    uint8_t key_type
    int16_t id
    uint32_t size
    uint32_t left                  # bytes of the string that are still to come after `bytes`
    int64_t number
    double real
    Span bytes                     # of the input, or of the reader: valid until the next call
    char uuid[16]

# The bytes that a value of a type takes at least: nothing smaller than `size` times this can hold a container. 0: no such type.
cdef uint8_t thrift_binary_width[32]       # exactly, for numbers and UUIDs; 0 for the others
cdef uint8_t thrift_binary_least[32]
cdef uint8_t thrift_compact_least[32]
cdef uint8_t thrift_of_compact[16]         # ThriftType of a type number of the compact protocol; STOP for what is none
cdef uint8_t thrift_to_compact[32]

cdef const char *thrift_error_name(uint8_t error) noexcept nogil
cdef const char *thrift_type_name(uint8_t type) noexcept nogil
cdef void thrift_limits_default(ThriftLimits *limits) noexcept nogil
