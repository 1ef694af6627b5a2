# distutils: libraries = z
"""The ZLIB transform: inflate and deflate over buffer chains. See thrift_zlib.pxd for the law.

Output goes straight into the buffer's chunks, 4 KiB at least at a time. Bytes behind the end of the stream are an error, because
nobody could say what they are. Any thread; the zlib library keeps no state outside its stream.
"""
from libc.stdint cimport uint64_t
from libc.string cimport memset

from meshcore.base.buffer cimport *
from meshcore.codec.thrift cimport *

cdef extern from "<zlib.h>" nogil:
    ctypedef struct z_stream:
        unsigned char *next_in
        unsigned int avail_in
        unsigned char *next_out
        unsigned int avail_out
    int inflateInit(z_stream *)
    int inflate(z_stream *, int)
    int inflateEnd(z_stream *)
    int deflateInit(z_stream *, int)
    int deflate(z_stream *, int)
    int deflateEnd(z_stream *)
    int Z_OK
    int Z_STREAM_END
    int Z_BUF_ERROR
    int Z_MEM_ERROR
    int Z_NO_FLUSH
    int Z_FINISH
    int Z_DEFAULT_COMPRESSION

cdef enum:
    STEP = 4096


cdef inline bint reserve(BufferPool *pool, Buffer *out, z_stream *stream) noexcept nogil:
    stream.next_out = <unsigned char *>buffer_reserve(pool, out, STEP)
    stream.avail_out = STEP
    return stream.next_out != NULL


cdef inline Slice *refill(z_stream *stream, Slice *item) noexcept nogil:
    # The next bytes, when the last ones are used; the slice behind them.
    while stream.avail_in == 0 and item != NULL:
        stream.next_in = <unsigned char *>item.at
        stream.avail_in = item.len
        item = item.next
    return item


cdef int inflate_all(z_stream *stream, BufferPool *pool, Buffer *source, Buffer *out, uint64_t max_bytes) noexcept nogil:
    cdef Slice *item = source.first
    cdef uint64_t done = 0
    cdef int result = Z_OK
    while result != Z_STREAM_END:
        item = refill(stream, item)
        if not reserve(pool, out, stream):
            return THRIFT_NO_MEMORY
        result = inflate(stream, Z_NO_FLUSH)
        buffer_commit(out, STEP - stream.avail_out)
        done += STEP - stream.avail_out
        if done > max_bytes:
            return THRIFT_INFLATED_TOO_LARGE
        if result == Z_MEM_ERROR:
            return THRIFT_NO_MEMORY
        if result != Z_OK and result != Z_STREAM_END:
            return THRIFT_BAD_TRANSFORM
    return THRIFT_NO_ERROR if stream.avail_in == 0 and item == NULL else THRIFT_BAD_TRANSFORM


cdef int thrift_inflate(BufferPool *pool, Buffer *source, Buffer *out, uint64_t max_bytes) noexcept nogil:
    cdef z_stream stream
    cdef int error
    memset(&stream, 0, sizeof(z_stream))
    if inflateInit(&stream) != Z_OK:
        return THRIFT_NO_MEMORY
    error = inflate_all(&stream, pool, source, out, max_bytes)
    inflateEnd(&stream)
    return error


cdef int deflate_all(z_stream *stream, BufferPool *pool, Buffer *source, Buffer *out) noexcept nogil:
    cdef Slice *item = source.first
    cdef int result = Z_OK
    while result != Z_STREAM_END:
        item = refill(stream, item)
        if not reserve(pool, out, stream):
            return THRIFT_NO_MEMORY
        result = deflate(stream, Z_NO_FLUSH if item != NULL else Z_FINISH)
        buffer_commit(out, STEP - stream.avail_out)
        if result != Z_OK and result != Z_STREAM_END and result != Z_BUF_ERROR:
            return THRIFT_NO_MEMORY
    return THRIFT_NO_ERROR


cdef int thrift_deflate(BufferPool *pool, Buffer *source, Buffer *out) noexcept nogil:
    cdef z_stream stream
    cdef int error
    memset(&stream, 0, sizeof(z_stream))
    if deflateInit(&stream, Z_DEFAULT_COMPRESSION) != Z_OK:
        return THRIFT_NO_MEMORY
    error = deflate_all(&stream, pool, source, out)
    deflateEnd(&stream)
    return error
