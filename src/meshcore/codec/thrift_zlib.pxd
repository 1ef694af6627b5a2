# Thrift: the ZLIB transform of the header transport, over buffer chains. The law of the codec is in thrift.pxd.
#
# The stream's own memory comes from malloc for the time of one call. A payload that grows beyond `max_bytes` stops there.
from libc.stdint cimport uint64_t

from meshcore.base.buffer cimport Buffer, BufferPool

# Both append to `out` and leave `source` as it is; they answer a ThriftError. What a failed call has appended is of no use.
cdef int thrift_inflate(BufferPool *pool, Buffer *source, Buffer *out, uint64_t max_bytes) noexcept nogil
cdef int thrift_deflate(BufferPool *pool, Buffer *source, Buffer *out) noexcept nogil
