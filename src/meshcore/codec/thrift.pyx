"""Thrift: names of the codec's words, defaults, and the tables of types. See thrift.pxd for the law.

The tables are filled when the module is imported and read-only afterwards; any thread.
"""
from libc.stdint cimport uint8_t

ERRORS = (
    b"no_error", b"bad_transport", b"bad_frame_size", b"bad_header", b"unknown_transform", b"bad_transform", b"inflated_too_large",
    b"bad_protocol", b"bad_message_type", b"name_too_long", b"bad_type", b"negative_size", b"string_too_long", b"container_too_large",
    b"too_deep", b"bad_varint", b"out_of_range", b"truncated", b"trailing", b"bad_order", b"no_memory",
)
# name, type, bytes in the binary protocol (0: it depends), least bytes there, number in the compact protocol, least bytes there
TYPES = (
    (b"bool", THRIFT_BOOL, 1, 1, 1, 1),
    (b"byte", THRIFT_BYTE, 1, 1, 3, 1),
    (b"double", THRIFT_DOUBLE, 8, 8, 7, 8),
    (b"i16", THRIFT_I16, 2, 2, 4, 1),
    (b"i32", THRIFT_I32, 4, 4, 5, 1),
    (b"i64", THRIFT_I64, 8, 8, 6, 1),
    (b"string", THRIFT_STRING, 0, 4, 8, 1),
    (b"struct", THRIFT_STRUCT, 0, 1, 12, 1),
    (b"map", THRIFT_MAP, 0, 6, 11, 1),
    (b"set", THRIFT_SET, 0, 5, 10, 1),
    (b"list", THRIFT_LIST, 0, 5, 9, 1),
    (b"uuid", THRIFT_UUID, 16, 16, 13, 16),
)
cdef const char *errors[THRIFT_ERRORS]
cdef const char *types[32]


cdef _fill():
    assert len(ERRORS) == THRIFT_ERRORS
    for i in range(THRIFT_ERRORS):
        errors[i] = ERRORS[i]
    for i in range(32):
        types[i] = b"stop"
        thrift_binary_width[i] = thrift_binary_least[i] = thrift_compact_least[i] = thrift_to_compact[i] = 0
    for i in range(16):
        thrift_of_compact[i] = THRIFT_STOP
    for name, type, width, least, compact, compact_least in TYPES:
        types[type] = name
        thrift_binary_width[type] = width
        thrift_binary_least[type] = least
        thrift_to_compact[type] = compact
        thrift_compact_least[type] = compact_least
        thrift_of_compact[compact] = type
    thrift_of_compact[2] = THRIFT_BOOL     # false; 1 is true


_fill()


cdef const char *thrift_error_name(uint8_t error) noexcept nogil:
    return errors[error]


cdef const char *thrift_type_name(uint8_t type) noexcept nogil:
    return types[type & 31]


cdef void thrift_limits_default(ThriftLimits *limits) noexcept nogil:
    # The first three are Envoy's, and those of most libraries.
    limits.max_frame_bytes = 16384000
    limits.max_header_frame_bytes = 0x3fffffff
    limits.max_header_bytes = 65536
    limits.max_inflated_bytes = 16384000
    limits.max_name_bytes = 16384
    limits.max_string_bytes = 16384000
    limits.max_container = 16384000
    limits.max_depth = THRIFT_DEPTH_MAX
