"""Transport: reading into the shared scratch buffer, writing straight to the socket, closing. See transport.pxd for the law.

The loop (libuv) says when a socket is ready; recv and send are called here. Output is sent when the event is over; what the kernel refuses is
copied into owned chunks and goes on when the socket is writable. Watching changes only on back-pressure, so a request costs two recv and two
send and no epoll_ctl. A failed write closes nothing by itself: the owner hears on_end from a later event, not inside its own call.
"""
from libc.errno cimport EAGAIN, EINPROGRESS, EINTR, EINVAL, ENOMEM, errno
from libc.string cimport memcpy
from posix.unistd cimport close

from meshcore.base.atomics cimport atomic_add
from meshcore.base.buffer cimport (
    Buffer, buffer_borrow, buffer_commit, buffer_copy, buffer_drain, buffer_fini, buffer_init, buffer_iovecs, buffer_move, buffer_own,
    buffer_reserve, iovec,
)
from meshcore.base.held cimport held_append, held_drop, held_fini
from meshcore.base.slab cimport slab_free, slab_new
from meshcore.base.span cimport Span, span
from meshcore.io.address cimport address_from_kernel, address_to_kernel
from meshcore.io.loop cimport SCRATCH
from meshcore.io.race cimport race_begin, race_end, race_goes_on
from meshcore.io.ring cimport ARMED, ring_arm, ring_disarm, ring_stage, ring_submit
from meshcore.io.uv cimport *

cdef extern from "<netinet/in.h>" nogil:
    int IPPROTO_IP, IPPROTO_IPV6, IP_FREEBIND, IP_TRANSPARENT, IPV6_FREEBIND, IPV6_TRANSPARENT

cdef extern from "<sys/socket.h>" nogil:
    int SO_MARK

cdef extern from "<netinet/tcp.h>" nogil:
    int IPPROTO_TCP, TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_NODELAY

cdef const TlsOps *layer = NULL    # set once, when io/tls is loaded, before there is a slot

cdef enum:
    IOVECS = 64                    # slices per write
    SO_ORIGINAL_DST = 80           # linux/netfilter_ipv4.h; the same number for IPv6
    DIALS = 1                      # Transport.connecting: its socket connects
    RIVALS_DIAL = 2                # ... or has failed, and other addresses are tried


cdef size_t transport_size() noexcept nogil:
    return sizeof(Transport)


# --- life -----------------------------------------------------------------------------------------------------------


cdef Transport *transport_new(Loop *loop, int fd) noexcept nogil:
    cdef Transport *transport = <Transport *>slab_new(&loop.transports)
    if transport == NULL:
        return NULL
    if uv_poll_init_socket(&loop.uv, &transport.poll, fd) < 0:
        slab_free(&loop.transports, transport)
        return NULL
    transport.poll.data = transport
    transport.loop = loop
    transport.ops = NULL
    transport.owner = NULL
    buffer_init(&transport.out)
    transport.unread.at = NULL
    transport.unread.len = 0
    transport.unread.cap = 0
    transport.sent = 0
    transport.fd = fd
    transport.high = 0
    transport.race_stat = 0
    transport.events = 0
    transport.connecting = False
    transport.reading = False
    transport.blocked = False
    transport.above_high = False
    transport.finishing = False
    transport.finished = False
    transport.closing = False
    transport.failed = False
    transport.dirty = FLUSH_NOT
    transport.shaking = False
    transport.armed = False
    transport.uv_closed = False
    transport.staged = 0
    transport.ended = OPEN
    transport.counted = NULL
    transport.tls = NULL
    transport.race = NULL
    loop.handles += 1
    return transport


cdef Transport *transport_adopt(Loop *loop, int fd) noexcept nogil:
    cdef int on = 1
    cdef Transport *transport = transport_new(loop, fd)
    if transport == NULL:
        close(fd)
        return NULL
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on))
    return transport


cdef int set_option(int fd, int level, int name, int value) noexcept nogil:
    return -errno if setsockopt(fd, level, name, &value, sizeof(value)) < 0 else 0


cdef int say_to_kernel(int fd, const Dial *dial, int family) noexcept nogil:
    # 0, or the negative errno of the first option that the kernel refuses.
    cdef int freebind = IPV6_FREEBIND if family == 6 else IP_FREEBIND
    cdef int transparent = IPV6_TRANSPARENT if family == 6 else IP_TRANSPARENT
    cdef int level = IPPROTO_IPV6 if family == 6 else IPPROTO_IP
    cdef int error = 0
    cdef uint32_t i
    if dial.freebind and family != 1:
        error = set_option(fd, level, freebind, 1)
    if dial.transparent and family != 1 and error == 0:
        error = set_option(fd, level, transparent, 1)
    if dial.mark and error == 0:
        error = set_option(fd, SOL_SOCKET, SO_MARK, <int>dial.mark)
    for i in range(dial.options_len):
        if error == 0 and setsockopt(fd, dial.options[i].level, dial.options[i].name, dial.options[i].value, dial.options[i].len) < 0:
            error = -errno
    return error


cdef const IpAddress *source_for(const Dial *dial, const IpAddress *address) noexcept nogil:
    if dial.source.family == address.family:
        return &dial.source
    return &dial.other if dial.other.family == address.family else NULL


cdef int open_socket(const IpAddress *address, const Dial *dial, sockaddr_storage *kernel, unsigned int *n) noexcept nogil:
    # A socket for this address, bound to its source if there is one: the descriptor, or a negative errno.
    cdef const IpAddress *source = source_for(dial, address)
    cdef int fd
    cdef int error
    cdef unsigned int source_len
    cdef int on = 1
    n[0] = address_to_kernel(address, kernel)
    if n[0] == 0:
        return -EINVAL
    fd = socket(kernel.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    if fd < 0:
        return -errno
    error = say_to_kernel(fd, dial, address.family)
    if error < 0:
        close(fd)
        return error
    if source != NULL and address.family != 1:
        source_len = address_to_kernel(source, kernel)
        if bind(fd, <sockaddr *>kernel, source_len) < 0:
            error = -errno
            close(fd)
            return error
        address_to_kernel(address, kernel)
    if address.family != 1:
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on))
    return fd


cdef int transport_socket(const IpAddress *address, const Dial *dial) noexcept nogil:
    cdef sockaddr_storage kernel
    cdef unsigned int n
    cdef int error
    cdef int fd = open_socket(address, dial, &kernel, &n)
    if fd >= 0 and connect(fd, <sockaddr *>&kernel, n) < 0 and errno != EINPROGRESS:
        error = -errno
        close(fd)
        return error
    return fd


cdef Transport *transport_dial(Loop *loop, const IpAddress *addresses, uint32_t n, const Dial *dial, const TlsSlot *tls,
                               const TlsNames *names, const TransportOps *ops, void *owner, int *error) noexcept nogil:
    cdef Transport *transport
    cdef uint32_t next = 1
    cdef int fd = transport_socket(&addresses[0], dial)
    while fd < 0 and next < n:
        fd = transport_socket(&addresses[next], dial)
        next += 1
    if fd < 0:
        error[0] = fd
        return NULL
    transport = transport_new(loop, fd)
    if transport == NULL:
        error[0] = -ENOMEM
        close(fd)
        return NULL
    if tls != NULL and not layer.begin(transport, tls, False, names):
        error[0] = -ENOMEM
        transport_close(transport)
        return NULL
    error[0] = 0
    transport.owner = owner
    transport.ops = ops
    transport.connecting = DIALS
    if next < n:
        race_begin(transport, addresses, n, next, dial)
    transport_watch(transport)
    return transport


cdef bint transport_secure(Transport *transport, const TlsSlot *slot) noexcept nogil:
    return layer.begin(transport, slot, True, NULL)


cdef void transport_resecure(Transport *transport, const TlsSlot *slot) noexcept nogil:
    if transport.tls != NULL:
        layer.move(transport, slot)


cdef void on_closed(uv_handle_t *handle) noexcept nogil:
    cdef Transport *transport = <Transport *>handle.data
    if transport.armed:
        transport.uv_closed = True         # transport_let_go follows
    else:
        end(transport)


cdef void end(Transport *transport) noexcept nogil:
    cdef Loop *loop = transport.loop
    if transport.ops != NULL and transport.ops.on_closed != NULL:
        transport.ops.on_closed(transport)
    if transport.tls != NULL:
        layer.end(transport)
    buffer_fini(&loop.buffers, &transport.out)
    held_fini(&transport.unread)
    loop.handles -= 1
    slab_free(&loop.transports, transport)


cdef void transport_close(Transport *transport) noexcept nogil:
    if transport.closing:
        return
    if transport.tls != NULL:
        layer.leave(transport)
    if transport.race != NULL:
        race_end(transport)
    transport.closing = True
    if transport.dirty == FLUSH_LATE:
        leave_late_ones(transport)
    transport.reading = False
    if transport.unread.len:
        lose(transport)            # as the kernel does with what nobody has read
    uv_close(<uv_handle_t *>&transport.poll, on_closed)
    if transport.staged:
        ring_submit(transport.loop)
    if transport.armed == ARMED:
        ring_disarm(transport)
    if not transport.armed:
        close(transport.fd)
        transport.fd = -1
    while transport.counted != NULL:
        atomic_add(&transport.counted.n, -1)
        transport.counted = transport.counted.above


cdef void lose(Transport *transport) noexcept nogil:
    # The close will send a reset.
    cdef linger hard
    hard.l_onoff = 1
    hard.l_linger = 0
    setsockopt(transport.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard))


cdef void transport_reset(Transport *transport) noexcept nogil:
    if not transport.closing:
        lose(transport)
        transport.failed = True    # nothing is said any more
        transport_close(transport)


# --- events ---------------------------------------------------------------------------------------------------------


cdef inline bint goes_through_ring(Transport *transport) noexcept nogil:
    return transport.loop.ring != NULL and not transport.connecting


cdef void transport_watch(Transport *transport) noexcept nogil:
    # Tells the loop what is of interest now; nothing when that has not changed.
    cdef int events = 0
    if transport.closing:
        return
    if transport.reading or transport.shaking:
        if transport.unread.len or transport.ended != OPEN:
            events = UV_WRITABLE           # a socket is nearly always writable: that calls for what was given back
        if not goes_through_ring(transport):
            events |= UV_READABLE
        elif not transport.armed and events == 0:
            ring_arm(transport)
    if transport.blocked or transport.connecting == DIALS:
        events |= UV_WRITABLE
    if events == transport.events:
        return
    transport.events = <uint8_t>events
    if events == 0:
        uv_poll_stop(&transport.poll)
    else:
        uv_poll_start(&transport.poll, events, on_event)


cdef void on_event(uv_poll_t *poll, int status, int events) noexcept nogil:
    cdef Transport *transport = <Transport *>poll.data
    cdef Loop *loop = transport.loop
    if status < 0:
        # The socket is broken and libuv has stopped watching: the next system call says why.
        transport.events = 0
        events = UV_READABLE | UV_WRITABLE
    if transport.connecting:
        finish_connect(transport)
    else:
        if events & UV_WRITABLE and transport.blocked:
            transport.blocked = False
            transport_flush(transport)
        if (events & UV_READABLE or transport.unread.len > 0 or transport.ended != OPEN) and (transport.reading or transport.shaking or status < 0):
            read_once(transport)
    if status < 0 or events & UV_WRITABLE:
        transport_watch(transport)
    transport_flush_all(loop)


cdef void finish_connect(Transport *transport) noexcept nogil:
    cdef int error = 0
    cdef unsigned int n = sizeof(error)
    getsockopt(transport.fd, SOL_SOCKET, SO_ERROR, &error, &n)
    if transport.race != NULL:
        if error != 0 and race_goes_on(transport, error):
            transport.connecting = RIVALS_DIAL
            transport_watch(transport)
            return
        race_end(transport)
    transport_connected(transport, error)


cdef void transport_connected(Transport *transport, int error) noexcept nogil:
    transport.connecting = False
    if transport.tls != NULL and error == 0:
        layer.connected(transport)
    else:
        transport.ops.on_connected(transport, -error)
    transport_watch(transport)


cdef void read_once(Transport *transport) noexcept nogil:
    cdef ssize_t n
    if transport.tls != NULL:
        layer.readable(transport)
        return
    n = transport_take(transport, transport.loop.scratch, SCRATCH)
    if n > 0:
        transport.ops.on_read(transport, transport.loop.scratch, <size_t>n)
    elif n != -EAGAIN and n != -EINTR:
        transport_read_stop(transport)
        transport.ops.on_end(transport, <int>n)


cdef ssize_t transport_take(Transport *transport, char *at, size_t n) noexcept nogil:
    cdef Loop *loop = transport.loop
    cdef ssize_t got
    if loop.arrived_len:
        n = loop.arrived_len       # one buffer of the ring: less than anybody takes at once
        memcpy(at, loop.arrived, n)
        loop.arrived_len = 0
        return <ssize_t>n
    if transport.unread.len == 0 and transport.ended != OPEN:
        got = transport.ended
        transport.ended = OPEN
        return got
    if transport.unread.len == 0:
        got = recv(transport.fd, at, n, MSG_DONTWAIT)
        return got if got >= 0 else -errno
    if n > transport.unread.len:
        n = transport.unread.len
    memcpy(at, transport.unread.at, n)
    held_drop(&transport.unread, n)
    transport_watch(transport)
    return <ssize_t>n


cdef void transport_unread(Transport *transport, Held *held) noexcept nogil:
    transport.unread = held[0]
    held.at = NULL
    held.len = 0
    held.cap = 0
    transport.reading = False


cdef void transport_read_start(Transport *transport) noexcept nogil:
    if not transport.reading and not transport.closing:
        transport.reading = True
        transport_watch(transport)
        if transport.tls != NULL:
            layer.read_started(transport)


cdef void transport_read_stop(Transport *transport) noexcept nogil:
    if transport.reading:
        transport.reading = False
        transport_watch(transport)


# --- through the ring -----------------------------------------------------------------------------------------------


cdef void transport_arrived(Transport *transport, const char *at, size_t n) noexcept nogil:
    cdef Loop *loop = transport.loop
    if transport.closing:
        return
    if (transport.reading or transport.shaking) and transport.unread.len == 0:
        if transport.tls == NULL:
            transport.ops.on_read(transport, at, n)
        else:
            loop.arrived = at
            loop.arrived_len = n
            layer.readable(transport)
            loop.arrived_len = 0           # nobody else may get what a broken session did not take
        return
    # Nobody reads now. What the kernel took meanwhile waits here, and it takes no more.
    if not held_append(&transport.unread, at, n):
        transport.ended = <int16_t>-ENOMEM
    if transport.armed == ARMED:
        ring_disarm(transport)
    transport_watch(transport)


cdef void transport_ended(Transport *transport, int error) noexcept nogil:
    if transport.closing:
        return
    transport.ended = <int16_t>error
    if (transport.reading or transport.shaking) and transport.unread.len == 0:
        read_once(transport)
    else:
        transport_watch(transport)


cdef void transport_unsent(Transport *transport, const char *at, size_t n, int error) noexcept nogil:
    cdef Buffer rest
    if transport.closing or transport.failed:
        return
    transport.sent -= n
    buffer_init(&rest)
    if error or not buffer_copy(&transport.loop.buffers, &rest, at, n):
        fail(transport)
        return
    buffer_move(&rest, &transport.out)
    transport.out = rest
    transport.blocked = True
    transport_watch(transport)
    transport_flush(transport)     # sees to the marks


cdef void transport_let_go(Transport *transport) noexcept nogil:
    if not transport.closing:
        transport_watch(transport)
    elif transport.fd >= 0:
        close(transport.fd)
        transport.fd = -1
        if transport.uv_closed:
            end(transport)


# --- output ---------------------------------------------------------------------------------------------------------


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


cdef void fail(Transport *transport) noexcept nogil:
    # The write side is dead. The owner hears of it from the loop, never inside its own call: the next read fails too.
    transport.failed = True
    transport.blocked = False
    buffer_fini(&transport.loop.buffers, &transport.out)
    transport_read_start(transport)


cdef inline ssize_t send_some(Transport *transport, size_t *asked) noexcept nogil:
    # One system call for up to IOVECS slices; a single slice takes the shorter way through the kernel.
    cdef iovec parts[IOVECS]
    cdef msghdr message
    cdef int n
    cdef int i
    if transport.out.first.next == NULL:
        asked[0] = transport.out.first.len
        return send(transport.fd, transport.out.first.at, asked[0], MSG_DONTWAIT | MSG_NOSIGNAL)
    n = buffer_iovecs(&transport.out, parts, IOVECS)
    asked[0] = 0
    for i in range(n):
        asked[0] += parts[i].iov_len
    message.msg_name = NULL
    message.msg_namelen = 0
    message.msg_iov = parts
    message.msg_iovlen = n
    message.msg_control = NULL
    message.msg_controllen = 0
    message.msg_flags = 0
    return sendmsg(transport.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL)


cdef void send_all(Transport *transport) noexcept nogil:
    cdef size_t asked = 0
    cdef ssize_t wrote
    while transport.out.len > 0 and not transport.blocked:
        wrote = send_some(transport, &asked)
        if wrote < 0 and errno == EINTR:
            continue
        if wrote < 0 and errno != EAGAIN:
            fail(transport)
            return
        if wrote > 0:
            transport.sent += <uint64_t>wrote
            buffer_drain(&transport.loop.buffers, &transport.out, <uint64_t>wrote)
        if wrote < 0 or <size_t>wrote < asked:
            transport.blocked = True
    if transport.blocked and not buffer_own(&transport.loop.buffers, &transport.out):
        fail(transport)
        return
    transport_watch(transport)


cdef void send_plain(Transport *transport) noexcept nogil:
    if transport.loop.ring != NULL:
        if ring_stage(transport):
            return
        if transport.staged:
            ring_submit(transport.loop)
    send_all(transport)


cdef void flush_one(Transport *transport) noexcept nogil:
    if transport.closing:
        return
    if transport.failed or transport.connecting:
        if transport.failed:
            buffer_fini(&transport.loop.buffers, &transport.out)
        return
    if transport.ops.on_flush != NULL:
        transport.ops.on_flush(transport)
        if transport.closing:
            return
        if transport.high:
            check_marks(transport)         # what on_flush held back because of the mark comes with on_low, even if all leaves at once
    if transport.tls != NULL:
        layer.send(transport)
    elif transport.out.len > 0:
        send_plain(transport)
    if transport.out.len == 0 and transport.out.first != NULL:
        buffer_fini(&transport.loop.buffers, &transport.out)       # an opened but unused slice would keep its chunk
    if transport.high:
        check_marks(transport)
    if transport.finishing and transport.out.len == 0 and not transport.finished and not transport.closing and (
            transport.tls == NULL or layer.sent_all(transport)):
        if transport.staged:
            ring_submit(transport.loop)
            if transport.out.len > 0:
                return
        transport.finished = True
        shutdown(transport.fd, SHUT_WR)
        if transport.ops.on_flushed != NULL:
            transport.ops.on_flushed(transport)


cdef void check_marks(Transport *transport) noexcept nogil:
    cdef uint64_t queued = transport.out.len
    if not transport.above_high and queued > transport.high:
        transport.above_high = True
        if transport.ops.on_high != NULL:
            transport.ops.on_high(transport)
    elif transport.above_high and queued <= transport.high // 2:
        transport.above_high = False
        if transport.ops.on_low != NULL:
            transport.ops.on_low(transport)


cdef void transport_flush_all(Loop *loop) noexcept nogil:
    # Hooks may make further transports dirty: they are sent too.
    cdef Transport *transport = <Transport *>loop.dirty
    while transport != NULL:
        loop.dirty = transport.next_dirty
        transport.dirty = FLUSH_NOT
        flush_one(transport)
        transport = <Transport *>loop.dirty


cdef void transport_flush_late_ones(Loop *loop) noexcept nogil:
    cdef Transport *transport
    transport_flush_all(loop)
    while loop.late != NULL:
        transport = <Transport *>loop.late
        loop.late = transport.next_dirty
        transport.dirty = FLUSH_NOT
        flush_one(transport)
        transport_flush_all(loop)


cdef void leave_late_ones(Transport *transport) noexcept nogil:
    cdef Transport *other = <Transport *>transport.loop.late
    transport.dirty = FLUSH_NOT
    if other == transport:
        transport.loop.late = transport.next_dirty
        return
    while other.next_dirty != transport:
        other = other.next_dirty
    other.next_dirty = transport.next_dirty


cdef void transport_say_last(Transport *transport) noexcept nogil:
    # Nothing is waited for: a peer that does not read does not hear it.
    if transport.closing or transport.failed or transport.connecting or transport.out.len == 0:
        return
    if transport.tls != NULL:
        layer.send(transport)
    else:
        if transport.staged:
            ring_submit(transport.loop)
        send_all(transport)


cdef void transport_finish(Transport *transport) noexcept nogil:
    transport.finishing = True
    transport_flush(transport)


# --- facts ----------------------------------------------------------------------------------------------------------


cdef void transport_keepalive(Transport *transport, uint32_t probes, uint32_t time_s, uint32_t interval_s) noexcept nogil:
    cdef int on = 1
    setsockopt(transport.fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on))
    if probes:
        setsockopt(transport.fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes))
    if time_s:
        setsockopt(transport.fd, IPPROTO_TCP, TCP_KEEPIDLE, &time_s, sizeof(time_s))
    if interval_s:
        setsockopt(transport.fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s))


cdef void transport_local(Transport *transport, IpAddress *out) noexcept nogil:
    cdef sockaddr_storage kernel
    cdef unsigned int n = sizeof(kernel)
    out.family = 0
    if getsockname(transport.fd, <sockaddr *>&kernel, &n) == 0:
        address_from_kernel(<sockaddr *>&kernel, out)


cdef bint transport_original(Transport *transport, IpAddress *out) noexcept nogil:
    cdef sockaddr_storage kernel
    cdef int transparent = 0
    cdef unsigned int n = sizeof(transparent)
    # A transparent socket (TPROXY) has kept the address; there is nothing to be restored from.
    if (getsockopt(transport.fd, IPPROTO_IP, IP_TRANSPARENT, &transparent, &n) == 0 and transparent) or (
            getsockopt(transport.fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &transparent, &n) == 0 and transparent):
        transport_local(transport, out)
        return out.family == 4 or out.family == 6
    n = sizeof(kernel)
    if getsockopt(transport.fd, IPPROTO_IP, SO_ORIGINAL_DST, &kernel, &n) < 0:
        n = sizeof(kernel)
        if getsockopt(transport.fd, IPPROTO_IPV6, SO_ORIGINAL_DST, &kernel, &n) < 0:
            return False
    address_from_kernel(<sockaddr *>&kernel, out)
    return out.family == 4 or out.family == 6


cdef void transport_remote(Transport *transport, IpAddress *out) noexcept nogil:
    cdef sockaddr_storage kernel
    cdef unsigned int n = sizeof(kernel)
    out.family = 0
    if getpeername(transport.fd, <sockaddr *>&kernel, &n) == 0:
        address_from_kernel(<sockaddr *>&kernel, out)


cdef Span transport_alpn(Transport *transport) noexcept nogil:
    return layer.alpn(transport) if transport.tls != NULL else span(NULL, 0)


cdef Span transport_sni(Transport *transport) noexcept nogil:
    return layer.sni(transport) if transport.tls != NULL else span(NULL, 0)


cdef TlsFacts *transport_facts(Transport *transport) noexcept nogil:
    return layer.facts(transport) if transport.tls != NULL else NULL


cdef Span transport_failure(Transport *transport) noexcept nogil:
    return layer.failure(transport) if transport.tls != NULL else span(NULL, 0)


cdef void transport_tls(const TlsOps *ops) noexcept nogil:
    global layer
    layer = ops


cdef void transport_loop_end(Loop *loop) noexcept nogil:
    if loop.tls != NULL:
        layer.loop_end(loop)
