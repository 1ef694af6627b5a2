# Thrift: the envelope of a message: its type, its name and its sequence id, in each protocol. The law of the codec is in thrift.pxd.
#
# An envelope is read whole or not at all; the caller keeps the bytes until then. The name is a span of the input.
from libc.stdint cimport int32_t, uint8_t, uint64_t

from meshcore.base.span cimport Span
from meshcore.codec.thrift cimport *

# `protocol` is what was agreed, or AUTO; the answer in `envelope` is never AUTO. BINARY_LAX also takes the strict form, and says so.
# After THRIFT_MORE, `used` is how many bytes there must be at least for another look to be worth it.
cdef int thrift_message_read(const char *at, size_t n, uint8_t protocol, const ThriftLimits *limits, ThriftEnvelope *envelope,
                             size_t *used, uint8_t *error) noexcept nogil
cdef size_t thrift_message_len(const ThriftEnvelope *envelope) noexcept nogil          # bytes that thrift_message_write writes
cdef size_t thrift_message_write(const ThriftEnvelope *envelope, char *out) noexcept nogil
# "service:method" of a multiplexed call, cut at the first colon; without one, `service` is empty.
cdef void thrift_name_split(Span name, Span *service, Span *method) noexcept nogil
cdef bint thrift_binary_magic(const char *at) noexcept nogil           # of two bytes
cdef bint thrift_compact_magic(const char *at) noexcept nogil
