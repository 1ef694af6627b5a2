# Thrift: a value as a stream of typed events, from bytes that may arrive in any pieces. The law of the codec is in thrift.pxd.
#
# A reader begins at a value (the struct of a message's payload) and ends with that value's last byte. It uses all input that it is
# given: what is cut in the middle of a number lies in `carry` until the rest comes, so the caller keeps nothing. Bytes of strings
# are handed out as spans of the input, never copied. `left` bounds the payload; a size that cannot fit into it is an error at once.
from libc.stdint cimport int16_t, uint8_t, uint32_t, uint64_t

from meshcore.codec.thrift cimport *

cdef enum ThriftReadState:
    # thrift_read_state_name prints it.
    READ_VALUE                     # a value of type `pending` comes next
    READ_NEXT                      # a field, an element or an end of what is open
    READ_RAW                       # `raw_left` bytes of a string, or of elements that are skipped as one
    READ_DONE
    READ_BROKEN

cdef struct ThriftFrame:
    # A struct or a container that is open.
    uint8_t kind                   # STRUCT, LIST, SET or MAP
    uint8_t type                   # of elements or values
    uint8_t key_type
    uint8_t at_value               # a map's key was read
    int16_t last_id                # compact: field ids are told by their distance
    uint32_t left                  # elements or pairs that have not begun

cdef struct ThriftReader:
    const ThriftLimits *limits
    uint8_t compact
    uint8_t state                  # ThriftReadState
    uint8_t error                  # ThriftError
    uint8_t pending                # ThriftType
    uint8_t bool_in_head           # compact: the field's head said false (1) or true (2)
    uint8_t depth                  # frames in use
    uint8_t carry_len
    uint8_t skipping               # 0, 1: asked for, 2: begun
    uint8_t skip_depth             # where skipping ends
    uint64_t left                  # bytes that the payload may still have
    uint64_t raw_left
    char carry[16]                 # THRIFT_ATOM_MAX
    ThriftFrame frames[64]         # THRIFT_DEPTH_MAX

# `left` is the size of the payload, or THRIFT_UNBOUNDED; `type` is nearly always THRIFT_STRUCT.
cdef void thrift_read_begin(ThriftReader *reader, uint8_t protocol, uint8_t type, uint64_t left,
                            const ThriftLimits *limits) noexcept nogil
# Consumes from *at, at most to `end`. THRIFT_OK: there is an event; MORE: all input was used; DONE: nothing was; or ERROR.
cdef int thrift_read_next(ThriftReader *reader, const char **at, const char *end, ThriftEvent *event) noexcept nogil
cdef const char *thrift_read_state_name(uint8_t state) noexcept nogil

cdef inline uint8_t frame_take(ThriftFrame *frame) noexcept nogil:
    # The type of the next element, key or value of a container; there must be one.
    if frame.kind != THRIFT_MAP:
        frame.left -= 1
        return frame.type
    if not frame.at_value:
        frame.at_value = 1
        return frame.key_type
    frame.at_value = 0
    frame.left -= 1
    return frame.type

cdef inline bint frame_over(ThriftFrame *frame) noexcept nogil:
    return frame.left == 0 and not frame.at_value
