# Gzip (RFC 1952) as it comes in: plain bytes out of buffer chains, by zlib. Any thread; one reader is used by one thread.
#
# A reader owns up to 40 KiB from its begin to its end. Input that says nothing more, or that grows beyond all measure, is reported and what
# came out so far is kept: who asked decides what that means.
from libc.stdint cimport uint32_t

from meshcore.base.buffer cimport Buffer, BufferPool

cdef struct GunzipSettings:
    int window_bits                # 9 to 15
    uint32_t chunk                 # bytes that come out in one step, at most a CHUNK of base/buffer
    uint32_t most                  # bytes that may come out of one that goes in, in one call

cdef enum GunzipResult:
    GUNZIP_OK                      # all input is used, or stands behind the end of the stream
    GUNZIP_STREAM_ERROR            # zlib's words from here on
    GUNZIP_DATA_ERROR              # no gzip, or more than `most`
    GUNZIP_MEMORY_ERROR
    GUNZIP_BUFFER_ERROR
    GUNZIP_VERSION_ERROR
    GUNZIP_RESULTS

cdef void *gunzip_begin(const GunzipSettings *settings) noexcept nogil        # NULL: no memory
cdef int gunzip_read(void *reader, const GunzipSettings *settings, BufferPool *pool, Buffer *source, Buffer *out) noexcept nogil  # GunzipResult
cdef void gunzip_end(void *reader) noexcept nogil                             # of NULL: nothing
