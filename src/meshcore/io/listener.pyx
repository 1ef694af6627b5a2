"""Listening sockets: listen, accept. See listener.pxd for the law.

When the process has no descriptor left, a waiting connection would keep the loop awake for ever. So each server holds one in reserve: it is
given up, the connection is accepted and closed with it, and the reserve is opened again. Where another thread was quicker, the socket is not
watched for a moment. The service goes on with what it has.
"""
from libc.errno cimport ECONNABORTED, EINTR, EMFILE, ENFILE, ENOMEM, errno
from libc.stdint cimport uint32_t
from libc.stdlib cimport calloc, free
from posix.fcntl cimport O_CLOEXEC, O_RDONLY, open
from posix.unistd cimport close

from meshcore.base.clock cimport clock_ms
from meshcore.base.wheel cimport Timer, timer_cancel, timer_init, wheel_arm
from meshcore.io.transport cimport transport_adopt, transport_flush_all
from meshcore.io.uv cimport *

cdef extern from "<sys/socket.h>" nogil:
    int accept4(int fd, sockaddr *address, unsigned int *n, int flags) noexcept

cdef enum:
    LAST_ACCEPTS = 4096            # before a socket is closed: a full accept queue
    REST_MS = 100                  # without a descriptor


cdef int take_spare() noexcept nogil:
    return open(b"/dev/null", O_RDONLY | O_CLOEXEC)


cdef bint drop_one(Server *server) noexcept nogil:
    # False: the reserve did not help, or there was none.
    cdef int fd
    if server.spare >= 0:
        close(server.spare)
    fd = accept4(server.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)
    if fd >= 0:
        close(fd)
        server.refused += 1
    server.spare = take_spare()
    if server.on_refused != NULL:
        server.on_refused(server, fd >= 0)
    return fd >= 0


cdef void rest(Server *server) noexcept nogil:
    # The loop would be woken for this connection again and again.
    uv_poll_stop(&server.poll)
    wheel_arm(&server.loop.wheel, &server.again, clock_ms(&server.loop.clock) + REST_MS)


cdef void on_rested(Timer *timer) noexcept nogil:
    cdef Server *server = <Server *>timer.owner
    if server.spare < 0:
        server.spare = take_spare()
    uv_poll_start(&server.poll, UV_READABLE, on_event)


cdef uint32_t accept_waiting(Server *server, int most) noexcept nogil:
    # How many there were.
    cdef Transport *transport
    cdef uint32_t n = 0
    cdef int _i
    cdef int fd
    for _i in range(most):
        if server.closing:
            return n
        fd = accept4(server.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)
        if fd >= 0:
            n += 1
            if server.on_fd != NULL and server.on_fd(server, fd):
                continue
            transport = transport_adopt(server.loop, fd)
            if transport != NULL:
                server.on_accept(server, transport)
            else:
                server.refused += 1
        elif errno == EMFILE or errno == ENFILE:
            if not drop_one(server):
                rest(server)
                return n
        elif errno != EINTR and errno != ECONNABORTED:
            return n
    return n


cdef void on_event(uv_poll_t *poll, int status, int events) noexcept nogil:
    cdef Server *server = <Server *>poll.data
    cdef uint32_t n = accept_waiting(server, server.most)
    if n > 0 and server.on_accepted != NULL and not server.closing:
        server.on_accepted(server, n)
    transport_flush_all(server.loop)


cdef void on_closed(uv_handle_t *handle) noexcept nogil:
    cdef Server *server = <Server *>handle.data
    server.loop.handles -= 1
    free(server)


cdef Server *server_open(Loop *loop, int fd, int backlog, ServerAccept on_accept, void *owner, int *error) noexcept nogil:
    cdef Server *server = <Server *>calloc(1, sizeof(Server))
    if server == NULL:
        error[0] = -ENOMEM
        close(fd)
        return NULL
    server.loop = loop
    server.on_accept = on_accept
    server.most = ACCEPTS
    server.owner = owner
    server.fd = fd
    server.spare = take_spare()
    timer_init(&server.again, on_rested, server)
    error[0] = uv_poll_init_socket(&loop.uv, &server.poll, fd)
    if error[0] < 0:
        close(fd)
        if server.spare >= 0:
            close(server.spare)
        free(server)
        return NULL
    server.poll.data = server
    loop.handles += 1
    if listen(fd, backlog) < 0:
        error[0] = -errno
        server_close(server)
        return NULL
    uv_poll_start(&server.poll, UV_READABLE, on_event)
    return server


cdef void server_set_backlog(Server *server, int backlog) noexcept nogil:
    listen(server.fd, backlog)     # of a socket that listens it only changes the length of the queue


cdef void server_close(Server *server) noexcept nogil:
    # What the kernel has established for this socket would be reset with it: it is taken in first.
    if not server.closing:
        server.last = True
        accept_waiting(server, LAST_ACCEPTS)
        server.closing = True
        timer_cancel(&server.loop.wheel, &server.again)
        uv_close(<uv_handle_t *>&server.poll, on_closed)
        close(server.fd)
        if server.spare >= 0:
            close(server.spare)
