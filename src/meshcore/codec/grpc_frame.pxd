# The head that stands before each message of a gRPC body: a flag and four bytes of length (gRPC, doc/PROTOCOL-HTTP2.md).
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from meshcore.base.buffer cimport Buffer, BufferPool, buffer_copy, buffer_init, buffer_move

cdef enum:
    GRPC_FRAME_HEAD = 5

cdef inline uint64_t grpc_frame_len(const uint8_t *head) noexcept nogil:
    # Bytes of the message behind it.
    return <uint64_t>head[1] << 24 | <uint64_t>head[2] << 16 | <uint64_t>head[3] << 8 | head[4]

cdef inline void grpc_frame_write(char *out, uint8_t flag, uint32_t n) noexcept nogil:
    out[0] = <char>flag
    out[1] = <char>(n >> 24)
    out[2] = <char>(n >> 16)
    out[3] = <char>(n >> 8)
    out[4] = <char>n

cdef inline bint grpc_frame_begin(BufferPool *pool, Buffer *data, uint32_t n) noexcept nogil:
    # A head for n bytes before what is in `data`. False: no memory.
    cdef char head[GRPC_FRAME_HEAD]
    cdef Buffer framed
    buffer_init(&framed)
    grpc_frame_write(head, 0, n)
    if not buffer_copy(pool, &framed, head, GRPC_FRAME_HEAD):
        return False
    buffer_move(&framed, data)
    buffer_move(data, &framed)
    return True
