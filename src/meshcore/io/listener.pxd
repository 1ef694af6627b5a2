# Listening sockets: one per worker and address, SO_REUSEPORT between workers.
#
# The address's first socket is bound on the main thread (so that a port in use is an error of the config, and port 0 becomes known); every
# further worker binds its own. A Server belongs to its loop; `on_accept` gets each new Transport.
from meshcore.io.loop cimport Loop
from meshcore.io.transport cimport Transport
from meshcore.io.uv cimport uv_pipe_t, uv_tcp_t
from meshcore.observe.record cimport IpAddress

ctypedef void (*ServerAccept)(Server *server, Transport *transport) noexcept nogil

cdef union ServerHandle:
    uv_tcp_t tcp
    uv_pipe_t pipe

cdef struct Server:
    Loop *loop
    ServerAccept on_accept
    void *owner
    bint is_pipe
    bint closing
    ServerHandle handle

# A bound, not yet listening socket: the descriptor, or a negative errno. `address.port` is filled when it was 0.
cdef int server_bind(IpAddress *address, bint reuse_port) noexcept nogil
# Takes ownership of the descriptor. NULL with a negative errno. The Server frees itself after server_close.
cdef Server *server_open(Loop *loop, int fd, bint is_pipe, int backlog, ServerAccept on_accept, void *owner, int *error) noexcept nogil
cdef void server_close(Server *server) noexcept nogil
