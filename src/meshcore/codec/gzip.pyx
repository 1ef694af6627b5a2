# distutils: libraries = z
"""Gzip; see gzip.pxd for the law."""
from libc.stdlib cimport calloc, free

from meshcore.base.buffer cimport *

cdef extern from "<zlib.h>" nogil:
    ctypedef struct z_stream:
        unsigned char *next_in
        unsigned int avail_in
        unsigned char *next_out
        unsigned int avail_out
    int deflateInit2(z_stream *, int level, int method, int window_bits, int memory_level, int strategy)
    int deflate(z_stream *, int)
    int deflateEnd(z_stream *)
    int Z_OK
    int Z_STREAM_END
    int Z_BUF_ERROR
    int Z_NO_FLUSH
    int Z_SYNC_FLUSH
    int Z_FINISH
    int Z_DEFLATED

cdef enum:
    STEP = 4096
    AS_GZIP = 16                   # added to the window's bits


cdef void *gzip_begin(const GzipSettings *settings) noexcept nogil:
    cdef z_stream *stream = <z_stream *>calloc(1, sizeof(z_stream))
    if stream == NULL:
        return NULL
    if deflateInit2(stream, settings.level, Z_DEFLATED, settings.window_bits + AS_GZIP, settings.memory_level, settings.strategy) != Z_OK:
        free(stream)
        return NULL
    return stream


cdef bint run(z_stream *stream, BufferPool *pool, Buffer *out, int flush) noexcept nogil:
    # Until all input is used and all that the flush means has come out.
    cdef int result = Z_OK
    while True:
        stream.next_out = <unsigned char *>buffer_reserve(pool, out, STEP)
        if stream.next_out == NULL:
            return False
        stream.avail_out = STEP
        result = deflate(stream, flush)
        buffer_commit(out, STEP - stream.avail_out)
        if result == Z_STREAM_END or result == Z_BUF_ERROR:
            return True
        if result != Z_OK:
            return False
        if stream.avail_out > 0 and flush != Z_FINISH:
            return True


cdef bint gzip_write(void *writer, BufferPool *pool, Buffer *source, Buffer *out, bint end) noexcept nogil:
    cdef z_stream *stream = <z_stream *>writer
    cdef Slice *item = source.first
    while item != NULL:
        stream.next_in = <unsigned char *>item.at
        stream.avail_in = item.len
        if not run(stream, pool, out, Z_NO_FLUSH if item.next != NULL else Z_SYNC_FLUSH):
            return False
        item = item.next
    return not end or run(stream, pool, out, Z_FINISH)


cdef void gzip_end(void *writer) noexcept nogil:
    if writer != NULL:
        deflateEnd(<z_stream *>writer)
        free(writer)
