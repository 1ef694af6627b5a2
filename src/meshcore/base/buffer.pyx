"""Buffer chain: append, borrow, own, drain, move, share. See buffer.pxd for the law.

Invariants: a Buffer's len is the sum of its slices; an empty slice is never linked, except the one that buffer_reserve opened and
that the next commit fills; a chunk's `used` never shrinks while it is referenced.
"""
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from meshcore.base.slab cimport mesh_poison, mesh_unpoison, slab_fini, slab_free, slab_init, slab_new


cdef inline char *payload(Chunk *chunk) noexcept nogil:
    return <char *>chunk + sizeof(Chunk)


cdef void buffers_init(BufferPool *pool, uint32_t free_max) noexcept nogil:
    slab_init(&pool.slices, sizeof(Slice))
    pool.free = NULL
    pool.free_len = 0
    pool.free_max = free_max
    pool.live = 0


cdef void buffers_fini(BufferPool *pool) noexcept nogil:
    cdef Chunk *chunk = pool.free
    cdef Chunk *next
    while chunk != NULL:
        next = chunk.next
        mesh_unpoison(payload(chunk), CHUNK)
        free(chunk)
        chunk = next
    pool.free = NULL
    pool.free_len = 0
    slab_fini(&pool.slices)


cdef inline Chunk *chunk_new(BufferPool *pool) noexcept nogil:
    cdef Chunk *chunk = pool.free
    if chunk != NULL:
        pool.free = chunk.next
        pool.free_len -= 1
        mesh_unpoison(payload(chunk), CHUNK)
    else:
        chunk = <Chunk *>malloc(sizeof(Chunk) + CHUNK)
        if chunk == NULL:
            return NULL
    chunk.refs = 1
    chunk.used = 0
    pool.live += 1
    return chunk


cdef inline void chunk_unref(BufferPool *pool, Chunk *chunk) noexcept nogil:
    chunk.refs -= 1
    if chunk.refs == 0:
        pool.live -= 1
        if pool.free_len < pool.free_max:
            chunk.next = pool.free
            pool.free = chunk
            pool.free_len += 1
            mesh_poison(payload(chunk), CHUNK)
        else:
            free(chunk)


cdef inline void link_slice(Buffer *buffer, Slice *item) noexcept nogil:
    item.next = NULL
    if buffer.last == NULL:
        buffer.first = item
    else:
        buffer.last.next = item
    buffer.last = item


cdef inline void drop_first(BufferPool *pool, Buffer *buffer) noexcept nogil:
    cdef Slice *item = buffer.first
    buffer.first = item.next
    if item.next == NULL:
        buffer.last = NULL
    if item.chunk != NULL:
        chunk_unref(pool, item.chunk)
    slab_free(&pool.slices, item)


cdef void buffer_fini(BufferPool *pool, Buffer *buffer) noexcept nogil:
    while buffer.first != NULL:
        drop_first(pool, buffer)
    buffer.len = 0


cdef bint buffer_borrow(BufferPool *pool, Buffer *buffer, const char *at, size_t n) noexcept nogil:
    cdef Slice *item
    if n == 0:
        return True
    item = <Slice *>slab_new(&pool.slices)
    if item == NULL:
        return False
    item.at = <char *>at
    item.len = <uint32_t>n
    item.chunk = NULL
    link_slice(buffer, item)
    buffer.len += n
    return True


cdef char *buffer_reserve(BufferPool *pool, Buffer *buffer, size_t n) noexcept nogil:
    cdef Slice *item = buffer.last
    cdef Chunk *chunk
    if item != NULL and item.chunk != NULL:
        chunk = item.chunk
        if item.at + item.len == payload(chunk) + chunk.used and CHUNK - chunk.used >= n:
            return item.at + item.len
    item = <Slice *>slab_new(&pool.slices)
    if item == NULL:
        return NULL
    chunk = chunk_new(pool)
    if chunk == NULL:
        slab_free(&pool.slices, item)
        return NULL
    item.at = payload(chunk)
    item.len = 0
    item.chunk = chunk
    link_slice(buffer, item)
    return item.at


cdef void buffer_commit(Buffer *buffer, size_t n) noexcept nogil:
    buffer.last.len += <uint32_t>n
    buffer.last.chunk.used += <uint32_t>n
    buffer.len += n


cdef inline size_t tail_room(Buffer *buffer) noexcept nogil:
    # How many bytes the last slice can grow by.
    cdef Slice *item = buffer.last
    if item == NULL or item.chunk == NULL or item.at + item.len != payload(item.chunk) + item.chunk.used:
        return 0
    return CHUNK - item.chunk.used


cdef inline void fill_tail(Buffer *buffer, const char *at, size_t n) noexcept nogil:
    memcpy(buffer.last.at + buffer.last.len, at, n)
    buffer_commit(buffer, n)


cdef bint buffer_copy(BufferPool *pool, Buffer *buffer, const char *at, size_t n) noexcept nogil:
    # What does not fit into the last slice is built apart, so that running out of memory half-way changes nothing.
    cdef size_t first = tail_room(buffer)
    cdef size_t done
    cdef size_t part
    cdef Buffer rest
    if n <= first:
        if n > 0:
            fill_tail(buffer, at, n)
        return True
    buffer_init(&rest)
    done = first
    while done < n:
        part = n - done
        if part > CHUNK:
            part = CHUNK
        if buffer_reserve(pool, &rest, part) == NULL:
            buffer_fini(pool, &rest)
            return False
        fill_tail(&rest, at + done, part)
        done += part
    if first > 0:
        fill_tail(buffer, at, first)
    buffer_move(buffer, &rest)
    return True


cdef bint buffer_own(BufferPool *pool, Buffer *buffer) noexcept nogil:
    cdef Slice *item = buffer.first
    cdef Buffer owned
    cdef bint borrowed = False
    while item != NULL:
        if item.chunk == NULL:
            borrowed = True
            break
        item = item.next
    if not borrowed:
        return True
    buffer_init(&owned)
    item = buffer.first
    while item != NULL:
        if not buffer_copy(pool, &owned, item.at, item.len):
            buffer_fini(pool, &owned)
            return False
        item = item.next
    buffer_fini(pool, buffer)
    buffer[0] = owned
    return True


cdef void buffer_drain(BufferPool *pool, Buffer *buffer, uint64_t n) noexcept nogil:
    cdef Slice *item
    buffer.len -= n
    while buffer.first != NULL:
        item = buffer.first
        if n < item.len:
            item.at += n
            item.len -= <uint32_t>n
            return
        n -= item.len
        drop_first(pool, buffer)


cdef void buffer_move(Buffer *to, Buffer *source) noexcept nogil:
    if source.first == NULL:
        return
    if to.last == NULL:
        to.first = source.first
    else:
        to.last.next = source.first
    to.last = source.last
    to.len += source.len
    buffer_init(source)


cdef bint buffer_split(BufferPool *pool, Buffer *source, Buffer *to, uint64_t n) noexcept nogil:
    cdef Slice *item
    cdef Slice *part = NULL
    cdef uint64_t whole = 0
    item = source.first
    while item != NULL and whole + item.len <= n:
        whole += item.len
        item = item.next
    if whole < n:
        part = <Slice *>slab_new(&pool.slices)
        if part == NULL:
            return False
        part.at = item.at
        part.len = <uint32_t>(n - whole)
        part.chunk = item.chunk
        part.next = NULL
        if item.chunk != NULL:
            item.chunk.refs += 1
        item.at += part.len
        item.len -= part.len
    while source.first != item:
        link_slice(to, take_first(source))
    if part != NULL:
        link_slice(to, part)
    to.len += n
    source.len -= n
    return True


cdef inline Slice *take_first(Buffer *buffer) noexcept nogil:
    cdef Slice *item = buffer.first
    buffer.first = item.next
    if buffer.first == NULL:
        buffer.last = NULL
    item.next = NULL
    return item


cdef bint buffer_share(BufferPool *pool, Buffer *to, Buffer *source) noexcept nogil:
    cdef Slice *item = source.first
    cdef Slice *copy
    cdef Buffer shared
    buffer_init(&shared)
    while item != NULL:
        if item.len > 0:
            copy = <Slice *>slab_new(&pool.slices)
            if copy == NULL:
                buffer_fini(pool, &shared)
                return False
            copy.at = item.at
            copy.len = item.len
            copy.chunk = item.chunk
            item.chunk.refs += 1
            link_slice(&shared, copy)
            shared.len += item.len
        item = item.next
    buffer_move(to, &shared)
    return True


cdef int buffer_iovecs(Buffer *buffer, iovec *out, int cap) noexcept nogil:
    cdef Slice *item = buffer.first
    cdef int n = 0
    while item != NULL and n < cap:
        if item.len > 0:
            out[n].iov_base = item.at
            out[n].iov_len = item.len
            n += 1
        item = item.next
    return n


cdef void buffer_read(Buffer *buffer, char *out, uint64_t n) noexcept nogil:
    cdef Slice *item = buffer.first
    cdef uint64_t part
    while n > 0:
        part = item.len
        if part > n:
            part = n
        memcpy(out, item.at, part)
        out += part
        n -= part
        item = item.next
