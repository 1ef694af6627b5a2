"""Listening sockets: bind, listen, accept. See listener.pxd for the law.

When the process has no descriptor left, libuv accepts and drops the waiting connections (it keeps one descriptor in reserve), so the loop does
not spin and serves on.
"""
from libc.errno cimport EINVAL, errno
from libc.stdlib cimport calloc, free
from posix.unistd cimport close, unlink

from meshcore.io.address cimport address_from_kernel, address_to_kernel
from meshcore.io.transport cimport transport_accept
from meshcore.io.uv cimport *

cdef extern from "<sys/socket.h>" nogil:
    int bind(int fd, const sockaddr *address, unsigned int n) noexcept
    int getsockname(int fd, sockaddr *address, unsigned int *n) noexcept


cdef int server_bind(IpAddress *address, bint reuse_port) noexcept nogil:
    cdef sockaddr_storage kernel
    cdef unsigned int n = address_to_kernel(address, &kernel)
    cdef int fd
    cdef int on = 1
    cdef int error
    if n == 0:
        return -EINVAL
    fd = socket(kernel.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    if fd < 0:
        return -errno
    if address.family == 1:
        unlink(address.path)
    else:
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on))
        if reuse_port:
            setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on))
    if bind(fd, <sockaddr *>&kernel, n) < 0:
        error = -errno
        close(fd)
        return error
    if address.family != 1 and address.port == 0:
        n = sizeof(kernel)
        getsockname(fd, <sockaddr *>&kernel, &n)
        address_from_kernel(<sockaddr *>&kernel, address)
    return fd


cdef void on_connection(uv_stream_t *stream, int status) noexcept nogil:
    cdef Server *server = <Server *>stream.data
    cdef Transport *transport
    if status < 0 or server.closing:
        return
    transport = transport_accept(server.loop, stream, server.is_pipe)
    if transport != NULL:
        server.on_accept(server, transport)


cdef void on_closed(uv_handle_t *handle) noexcept nogil:
    cdef Server *server = <Server *>handle.data
    server.loop.handles -= 1
    free(server)


cdef Server *server_open(Loop *loop, int fd, bint is_pipe, int backlog, ServerAccept on_accept, void *owner, int *error) noexcept nogil:
    cdef Server *server = <Server *>calloc(1, sizeof(Server))
    if server == NULL:
        error[0] = UV_ENOMEM
        close(fd)
        return NULL
    server.loop = loop
    server.on_accept = on_accept
    server.owner = owner
    server.is_pipe = is_pipe
    if is_pipe:
        uv_pipe_init(&loop.uv, &server.handle.pipe, 0)
        error[0] = uv_pipe_open(&server.handle.pipe, fd)
    else:
        uv_tcp_init(&loop.uv, &server.handle.tcp)
        error[0] = uv_tcp_open(&server.handle.tcp, fd)
    (<uv_handle_t *>&server.handle).data = server
    loop.handles += 1
    if error[0] == 0:
        error[0] = uv_listen(<uv_stream_t *>&server.handle, backlog, on_connection)
    if error[0] < 0:
        server_close(server)
        return NULL
    return server


cdef void server_close(Server *server) noexcept nogil:
    if not server.closing:
        server.closing = True
        uv_close(<uv_handle_t *>&server.handle, on_closed)
