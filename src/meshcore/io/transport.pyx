"""Transport: reading into the shared scratch buffer, writing straight to the socket, closing. See transport.pxd for the law.

A write goes out by uv_try_write at the flush; only what the kernel refuses is copied into owned chunks and handed to uv_write, and while
that is in flight further output waits in `out`. A failed write closes nothing by itself: the owner hears on_end, from the loop and not from
inside its own call.
"""
from meshcore.base.buffer cimport (
    Slice, buffer_borrow, buffer_commit, buffer_copy, buffer_drain, buffer_fini, buffer_init, buffer_iovecs, buffer_move, buffer_own,
    buffer_reserve, iovec,
)
from meshcore.base.slab cimport slab_free, slab_new
from meshcore.io.address cimport address_from_kernel, address_to_kernel
from meshcore.io.loop cimport SCRATCH
from meshcore.io.uv cimport *

cdef extern from "<netinet/tcp.h>" nogil:
    int IPPROTO_TCP, TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL, SO_KEEPALIVE

cdef enum:
    IOVECS = 32                    # slices per write

cdef struct WriteRequest:
    uv_write_t uv
    Transport *transport
    Buffer data                    # owned bytes that uv_write points into

cdef union Request:
    WriteRequest write
    uv_connect_t connect
    uv_shutdown_t shutdown


cdef size_t transport_size() noexcept nogil:
    return sizeof(Transport)


cdef size_t request_size() noexcept nogil:
    return sizeof(Request)


cdef inline uv_stream_t *stream_of(Transport *transport) noexcept nogil:
    return <uv_stream_t *>&transport.handle


cdef Transport *transport_new(Loop *loop, bint is_pipe) noexcept nogil:
    cdef Transport *transport = <Transport *>slab_new(&loop.transports)
    if transport == NULL:
        return NULL
    transport.loop = loop
    transport.ops = NULL
    transport.owner = NULL
    buffer_init(&transport.out)
    transport.request = NULL
    transport.flying = 0
    transport.high = 0
    transport.sent = 0
    transport.reading = False
    transport.above_high = False
    transport.finishing = False
    transport.finished = False
    transport.closing = False
    transport.is_pipe = is_pipe
    transport.failed = False
    transport.dirty = False
    if is_pipe:
        uv_pipe_init(&loop.uv, &transport.handle.pipe, 0)
    else:
        uv_tcp_init(&loop.uv, &transport.handle.tcp)
    stream_of(transport).data = transport
    loop.handles += 1
    return transport


cdef void on_closed(uv_handle_t *handle) noexcept nogil:
    cdef Transport *transport = <Transport *>handle.data
    cdef Loop *loop = transport.loop
    if transport.ops != NULL and transport.ops.on_closed != NULL:
        transport.ops.on_closed(transport)
    buffer_fini(&loop.buffers, &transport.out)
    loop.handles -= 1
    slab_free(&loop.transports, transport)


cdef Transport *transport_accept(Loop *loop, void *server, bint is_pipe) noexcept nogil:
    cdef Transport *transport = transport_new(loop, is_pipe)
    if transport == NULL:
        return NULL
    if uv_accept(<uv_stream_t *>server, stream_of(transport)) < 0:
        transport_close(transport)
        return NULL
    if not is_pipe:
        uv_tcp_nodelay(&transport.handle.tcp, 1)
    return transport


cdef void on_connect(uv_connect_t *request, int status) noexcept nogil:
    cdef Transport *transport = <Transport *>request.data
    slab_free(&transport.loop.requests, request)
    if not transport.closing:
        transport.ops.on_connected(transport, status)
        transport_flush_all(transport.loop)


cdef Transport *transport_dial(Loop *loop, const IpAddress *address, const IpAddress *source, const TransportOps *ops, void *owner,
                               int *error) noexcept nogil:
    cdef sockaddr_storage kernel
    cdef uv_connect_t *request
    cdef Transport *transport
    error[0] = UV_ENOMEM
    request = <uv_connect_t *>slab_new(&loop.requests)
    if request == NULL:
        return NULL
    transport = transport_new(loop, address.family == 1)
    if transport == NULL:
        slab_free(&loop.requests, request)
        return NULL
    transport.owner = owner
    request.data = transport
    error[0] = 0
    if transport.is_pipe:
        transport.ops = ops
        uv_pipe_connect(request, &transport.handle.pipe, address.path, on_connect)
        return transport
    if source != NULL and source.family != 0:
        address_to_kernel(source, &kernel)
        error[0] = uv_tcp_bind(&transport.handle.tcp, <sockaddr *>&kernel, 0)
    if error[0] == 0:
        address_to_kernel(address, &kernel)
        error[0] = uv_tcp_connect(request, &transport.handle.tcp, <sockaddr *>&kernel, on_connect)
    if error[0] < 0:
        slab_free(&loop.requests, request)
        transport_close(transport)
        return NULL
    transport.ops = ops
    uv_tcp_nodelay(&transport.handle.tcp, 1)
    return transport


cdef void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) noexcept nogil:
    buf.base = (<Transport *>handle.data).loop.scratch
    buf.len = SCRATCH


cdef void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) noexcept nogil:
    cdef Transport *transport = <Transport *>stream.data
    cdef Loop *loop = transport.loop
    if n > 0:
        transport.ops.on_read(transport, buf.base, <size_t>n)
    elif n < 0:
        transport_read_stop(transport)
        transport.ops.on_end(transport, 0 if n == UV_EOF else <int>n)
    else:
        return
    transport_flush_all(loop)


cdef void transport_read_start(Transport *transport) noexcept nogil:
    if not transport.reading and not transport.closing:
        transport.reading = True
        uv_read_start(stream_of(transport), on_alloc, on_read)


cdef void transport_read_stop(Transport *transport) noexcept nogil:
    if transport.reading:
        transport.reading = False
        uv_read_stop(stream_of(transport))


cdef void transport_copy(Transport *transport, const char *at, size_t n) noexcept nogil:
    if not buffer_copy(&transport.loop.buffers, &transport.out, at, n):
        transport.failed = True


cdef void transport_append(Transport *transport, const char *at, size_t n) noexcept nogil:
    if not buffer_borrow(&transport.loop.buffers, &transport.out, at, n):
        transport.failed = True


cdef char *transport_reserve(Transport *transport, size_t n) noexcept nogil:
    return buffer_reserve(&transport.loop.buffers, &transport.out, n)


cdef void transport_commit(Transport *transport, size_t n) noexcept nogil:
    buffer_commit(&transport.out, n)


cdef void transport_move(Transport *transport, Buffer *data) noexcept nogil:
    buffer_move(&transport.out, data)


cdef void check_marks(Transport *transport) noexcept nogil:
    cdef uint64_t queued = transport_queued(transport)
    if transport.high == 0 or transport.closing:
        return
    if not transport.above_high and queued > transport.high:
        transport.above_high = True
        if transport.ops.on_high != NULL:
            transport.ops.on_high(transport)
    elif transport.above_high and queued <= transport.high // 2:
        transport.above_high = False
        if transport.ops.on_low != NULL:
            transport.ops.on_low(transport)


cdef void on_shutdown(uv_shutdown_t *request, int status) noexcept nogil:
    cdef Transport *transport = <Transport *>request.data
    slab_free(&transport.loop.requests, request)
    if not transport.closing and transport.ops.on_flushed != NULL:
        transport.ops.on_flushed(transport)


cdef void send_fin(Transport *transport) noexcept nogil:
    cdef uv_shutdown_t *request
    if transport.finished:
        return
    transport.finished = True
    request = <uv_shutdown_t *>slab_new(&transport.loop.requests)
    if request == NULL:
        return
    request.data = transport
    if uv_shutdown(request, stream_of(transport), on_shutdown) < 0:
        slab_free(&transport.loop.requests, request)


cdef void fail(Transport *transport, int error) noexcept nogil:
    # The write side is dead. The owner hears of it from the loop, never inside its own call: the next read fails too.
    transport.failed = True
    buffer_fini(&transport.loop.buffers, &transport.out)
    transport_read_start(transport)


cdef void on_written(uv_write_t *uv, int status) noexcept nogil:
    cdef WriteRequest *request = <WriteRequest *>uv
    cdef Transport *transport = request.transport
    transport.sent += request.data.len
    buffer_fini(&transport.loop.buffers, &request.data)
    slab_free(&transport.loop.requests, request)
    transport.request = NULL
    transport.flying = 0
    if transport.closing:
        return
    if status < 0:
        fail(transport, status)
        return
    transport_flush(transport)
    transport_flush_all(transport.loop)


cdef void write_later(Transport *transport) noexcept nogil:
    # The kernel took no more: hand the rest to libuv, which waits until the socket is writable.
    cdef uv_buf_t bufs[IOVECS]
    cdef iovec parts[IOVECS]
    cdef WriteRequest *request
    cdef int n
    cdef int i
    if not buffer_own(&transport.loop.buffers, &transport.out):
        fail(transport, UV_ENOMEM)
        return
    request = <WriteRequest *>slab_new(&transport.loop.requests)
    if request == NULL:
        fail(transport, UV_ENOMEM)
        return
    request.transport = transport
    buffer_init(&request.data)
    buffer_move(&request.data, &transport.out)
    n = buffer_iovecs(&request.data, parts, IOVECS)
    transport.flying = 0
    for i in range(n):
        bufs[i].base = <char *>parts[i].iov_base
        bufs[i].len = parts[i].iov_len
        transport.flying += <uint32_t>parts[i].iov_len
    if transport.flying < request.data.len:
        give_back_tail(transport, &request.data, transport.flying)
    transport.request = request
    if uv_write(&request.uv, stream_of(transport), bufs, n, on_written) < 0:
        transport.request = NULL
        transport.flying = 0
        buffer_fini(&transport.loop.buffers, &request.data)
        slab_free(&transport.loop.requests, request)
        fail(transport, UV_EPIPE)


cdef void give_back_tail(Transport *transport, Buffer *data, uint64_t keep) noexcept nogil:
    # One write takes IOVECS slices; the slices behind them go back to the (empty) queue.
    cdef uint64_t seen = 0
    cdef uint64_t total = data.len
    cdef Slice *item = data.first
    while seen + item.len < keep:
        seen += item.len
        item = item.next
    transport.out.first = item.next
    transport.out.last = data.last
    transport.out.len = total - keep
    item.next = NULL
    data.last = item
    data.len = keep


cdef void transport_flush_all(Loop *loop) noexcept nogil:
    # on_high and on_low may make further transports dirty: they are sent too.
    cdef Transport *transport = <Transport *>loop.dirty
    while transport != NULL:
        loop.dirty = transport.next_dirty
        transport.dirty = False
        send(transport)
        transport = <Transport *>loop.dirty


cdef void send(Transport *transport) noexcept nogil:
    cdef iovec parts[IOVECS]
    cdef uv_buf_t bufs[IOVECS]
    cdef int n
    cdef int i
    cdef int wrote
    cdef size_t asked
    if transport.closing:
        return
    if transport.failed:
        buffer_fini(&transport.loop.buffers, &transport.out)
        return
    while transport.out.len > 0 and transport.request == NULL:
        n = buffer_iovecs(&transport.out, parts, IOVECS)
        asked = 0
        for i in range(n):
            bufs[i].base = <char *>parts[i].iov_base
            bufs[i].len = parts[i].iov_len
            asked += parts[i].iov_len
        wrote = uv_try_write(stream_of(transport), bufs, n)
        if wrote < 0 and wrote != UV_EAGAIN:
            fail(transport, wrote)
            return
        if wrote > 0:
            transport.sent += <uint64_t>wrote
            buffer_drain(&transport.loop.buffers, &transport.out, <uint64_t>wrote)
        if wrote < 0 or <size_t>wrote < asked:
            write_later(transport)
            break
    if transport.request != NULL and transport.out.len > 0 and not buffer_own(&transport.loop.buffers, &transport.out):
        fail(transport, UV_ENOMEM)
        return
    if transport.out.len == 0 and transport.request == NULL:
        # An opened but unused slice would keep its chunk.
        if transport.out.first != NULL:
            buffer_fini(&transport.loop.buffers, &transport.out)
        if transport.finishing:
            send_fin(transport)
    check_marks(transport)


cdef void transport_finish(Transport *transport) noexcept nogil:
    transport.finishing = True
    transport_flush(transport)


cdef void transport_close(Transport *transport) noexcept nogil:
    if not transport.closing:
        transport.closing = True
        transport.reading = False
        uv_close(<uv_handle_t *>&transport.handle, on_closed)


cdef void transport_reset(Transport *transport) noexcept nogil:
    if transport.closing:
        return
    if transport.is_pipe or transport.finished or transport.request != NULL:
        transport_close(transport)
        return
    transport.closing = True
    transport.reading = False
    if uv_tcp_close_reset(&transport.handle.tcp, on_closed) < 0:
        uv_close(<uv_handle_t *>&transport.handle, on_closed)


cdef void transport_keepalive(Transport *transport, uint32_t probes, uint32_t time_s, uint32_t interval_s) noexcept nogil:
    cdef uv_os_fd_t fd
    cdef int on = 1
    if uv_fileno(<uv_handle_t *>&transport.handle, &fd) < 0:
        return
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on))
    if probes:
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes))
    if time_s:
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &time_s, sizeof(time_s))
    if interval_s:
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s))


cdef void transport_local(Transport *transport, IpAddress *out) noexcept nogil:
    cdef sockaddr_storage kernel
    cdef int n = sizeof(kernel)
    if transport.is_pipe:
        out.family = 1
        out.path = b""
    elif uv_tcp_getsockname(&transport.handle.tcp, <sockaddr *>&kernel, &n) == 0:
        address_from_kernel(<sockaddr *>&kernel, out)
    else:
        out.family = 0


cdef void transport_remote(Transport *transport, IpAddress *out) noexcept nogil:
    cdef sockaddr_storage kernel
    cdef int n = sizeof(kernel)
    if transport.is_pipe:
        out.family = 1
        out.path = b""
    elif uv_tcp_getpeername(&transport.handle.tcp, <sockaddr *>&kernel, &n) == 0:
        address_from_kernel(<sockaddr *>&kernel, out)
    else:
        out.family = 0
