# Buffer: a chain of slices over reference-counted 16 KiB chunks; how bodies wait and move.
#
# A slice either shares a chunk (counted) or borrows bytes that somebody else keeps alive until the current callback returns (chunk
# NULL). Whoever keeps a Buffer beyond the callback calls buffer_own first. Moving and sharing never copy bytes. Chunks and slices
# come from the worker's BufferPool; a Buffer and its pool belong to one thread. Functions that may need memory answer False when
# there is none, and have then changed nothing that the caller can see.
from libc.stdint cimport uint32_t, uint64_t

from meshcore.base.slab cimport Slab

cdef extern from "<sys/uio.h>" nogil:
    struct iovec:
        void *iov_base
        size_t iov_len

cdef enum:
    CHUNK = 16384 - 24             # payload of a chunk

cdef struct Chunk:
    Chunk *next                    # in the free list
    uint32_t refs
    uint32_t used                  # bytes handed to slices; the rest may be appended to by the slice that ends there
    # CHUNK bytes of payload follow

cdef struct Slice:
    Slice *next
    char *at
    uint32_t len
    Chunk *chunk                   # NULL: borrowed

cdef struct Buffer:
    Slice *first
    Slice *last
    uint64_t len                   # bytes of all slices

cdef struct BufferPool:
    Slab slices
    Chunk *free                    # last in, first out: the next chunk is still in the cache
    uint32_t free_len
    uint32_t free_max
    uint32_t live                  # chunks in use

cdef void buffers_init(BufferPool *pool, uint32_t free_max) noexcept nogil
cdef void buffers_fini(BufferPool *pool) noexcept nogil

cdef inline void buffer_init(Buffer *buffer) noexcept nogil:
    buffer.first = NULL
    buffer.last = NULL
    buffer.len = 0

cdef void buffer_fini(BufferPool *pool, Buffer *buffer) noexcept nogil                        # empties it
cdef bint buffer_copy(BufferPool *pool, Buffer *buffer, const char *at, size_t n) noexcept nogil     # appends a copy
cdef bint buffer_borrow(BufferPool *pool, Buffer *buffer, const char *at, size_t n) noexcept nogil   # appends borrowed bytes
cdef bint buffer_own(BufferPool *pool, Buffer *buffer) noexcept nogil                         # copies what is borrowed
cdef char *buffer_reserve(BufferPool *pool, Buffer *buffer, size_t n) noexcept nogil          # room for n <= CHUNK bytes at the end, or NULL
cdef void buffer_commit(Buffer *buffer, size_t n) noexcept nogil                              # n of the reserved bytes are now in it
cdef void buffer_drain(BufferPool *pool, Buffer *buffer, uint64_t n) noexcept nogil           # drops n bytes at the front
cdef void buffer_move(Buffer *to, Buffer *source) noexcept nogil                              # all slices change hands
cdef bint buffer_split(BufferPool *pool, Buffer *source, Buffer *to, uint64_t n) noexcept nogil    # moves the first n <= len bytes
cdef bint buffer_share(BufferPool *pool, Buffer *to, Buffer *source) noexcept nogil           # appends references; source must own its bytes
cdef int buffer_iovecs(Buffer *buffer, iovec *out, int cap) noexcept nogil                    # how many were filled
cdef void buffer_read(Buffer *buffer, char *out, uint64_t n) noexcept nogil                   # copies the first n bytes, n <= len
