# distutils: libraries = z
"""Gzip as it comes in; see gunzip.pxd for the law."""
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free

from meshcore.base.buffer cimport *

cdef extern from "<zlib.h>" nogil:
    ctypedef struct z_stream:
        unsigned char *next_in
        unsigned int avail_in
        unsigned char *next_out
        unsigned int avail_out
    int inflateInit2(z_stream *, int window_bits)
    int inflate(z_stream *, int)
    int inflateEnd(z_stream *)
    int Z_OK
    int Z_STREAM_END
    int Z_NEED_DICT
    int Z_STREAM_ERROR
    int Z_DATA_ERROR
    int Z_MEM_ERROR
    int Z_BUF_ERROR
    int Z_NO_FLUSH

cdef enum:
    AS_GZIP = 16                   # added to the window's bits


cdef void *gunzip_begin(const GunzipSettings *settings) noexcept nogil:
    cdef z_stream *stream = <z_stream *>calloc(1, sizeof(z_stream))
    if stream == NULL:
        return NULL
    if inflateInit2(stream, settings.window_bits + AS_GZIP) != Z_OK:
        free(stream)
        return NULL
    return stream


cdef int result_of(int error) noexcept nogil:
    if error == Z_STREAM_ERROR:
        return GUNZIP_STREAM_ERROR
    if error == Z_DATA_ERROR or error == Z_NEED_DICT:
        return GUNZIP_DATA_ERROR
    if error == Z_MEM_ERROR:
        return GUNZIP_MEMORY_ERROR
    return GUNZIP_BUFFER_ERROR if error == Z_BUF_ERROR else GUNZIP_VERSION_ERROR


cdef int run(z_stream *stream, const GunzipSettings *settings, BufferPool *pool, Buffer *out, uint64_t most) noexcept nogil:
    # Until the input is used, and all that it means has come out.
    cdef int result = Z_OK
    while True:
        stream.next_out = <unsigned char *>buffer_reserve(pool, out, settings.chunk)
        if stream.next_out == NULL:
            return GUNZIP_MEMORY_ERROR
        stream.avail_out = settings.chunk
        result = inflate(stream, Z_NO_FLUSH)
        buffer_commit(out, settings.chunk - stream.avail_out)
        if result == Z_STREAM_END or (result == Z_BUF_ERROR and stream.avail_in == 0):
            return GUNZIP_OK
        if result != Z_OK:
            return result_of(result)
        if out.len > most:
            return GUNZIP_DATA_ERROR
        if stream.avail_in == 0 and stream.avail_out > 0:
            return GUNZIP_OK


cdef int gunzip_read(void *reader, const GunzipSettings *settings, BufferPool *pool, Buffer *source, Buffer *out) noexcept nogil:
    cdef z_stream *stream = <z_stream *>reader
    cdef uint64_t most = <uint64_t>settings.most * source.len
    cdef Slice *item = source.first
    cdef int result
    while item != NULL:
        stream.next_in = <unsigned char *>item.at
        stream.avail_in = item.len
        result = run(stream, settings, pool, out, most)
        if result != GUNZIP_OK:
            return result
        item = item.next
    return GUNZIP_OK


cdef void gunzip_end(void *reader) noexcept nogil:
    if reader != NULL:
        inflateEnd(<z_stream *>reader)
        free(reader)
