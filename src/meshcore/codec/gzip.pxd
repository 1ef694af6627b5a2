# Gzip (RFC 1952) as it goes out: a stream of compressed bytes out of buffer chains, by zlib. Any thread; one writer is used by one thread.
#
# A writer owns a few tens of KiB, by its window and memory level, from its begin to its end. What has come is flushed at each write, so that
# a reader is never kept waiting for what the proxy has.
from meshcore.base.buffer cimport Buffer, BufferPool

cdef struct GzipSettings:
    int level                      # 1 to 9; -1: zlib's choice
    int strategy                   # as zlib counts them
    int window_bits                # 9 to 15
    int memory_level               # 1 to 9

cdef void *gzip_begin(const GzipSettings *settings) noexcept nogil            # NULL: no memory
# All of `source`, compressed, is appended to `out`; `end`: and what ends the stream. False: no memory.
cdef bint gzip_write(void *writer, BufferPool *pool, Buffer *source, Buffer *out, bint end) noexcept nogil
cdef void gzip_end(void *writer) noexcept nogil                               # of NULL: nothing
