# Thrift: transports: where a frame begins, how long it is, and what the header transport says about it. The law is in thrift.pxd.
#
# A frame's head is read whole or not at all; the caller keeps the bytes until then. Headers are spans of the input, walked with
# thrift_info_next. Compressed payloads are not looked into: see thrift_zlib.
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.codec.thrift cimport *

cdef struct ThriftInfo:
    # Where a walk through the key-value blocks of a header stands.
    Span rest
    uint32_t left                  # pairs of the block at hand

cdef struct ThriftFrameHead:
    uint8_t transport              # ThriftTransport, never AUTO
    uint8_t protocol               # what the header transport says, or AUTO
    uint8_t transforms_len
    uint8_t transforms[4]          # in the order in which they were applied
    uint16_t flags                 # header transport, kept as they came
    int32_t seqid                  # header transport
    uint64_t size                  # bytes of the frame behind this head, or THRIFT_UNBOUNDED
    ThriftInfo info                # header transport

# After THRIFT_MORE, `used` is how many bytes there must be at least for another look to be worth it.
cdef int thrift_frame_read(const char *at, size_t n, uint8_t transport, const ThriftLimits *limits, ThriftFrameHead *frame,
                           size_t *used, uint8_t *error) noexcept nogil
# The next key and value. THRIFT_OK, DONE, or ERROR (never after thrift_frame_read has accepted the head).
cdef int thrift_info_next(ThriftInfo *info, Span *key, Span *value) noexcept nogil

# The head of a frame with `size` bytes behind it; `headers` may be NULL. frame.protocol says how the payload is written.
cdef size_t thrift_frame_bound(const ThriftFrameHead *frame, Head *headers) noexcept nogil
# Bytes written, at most the bound; 0: the headers do not fit the format, or the size is beyond it.
cdef size_t thrift_frame_write(const ThriftFrameHead *frame, Head *headers, char *out) noexcept nogil
