# Listening sockets: one per worker and address, SO_REUSEPORT between workers.
#
# Sockets are bound on the main thread (mesh/sockets.py), so that a port in use is an error of the config, and port 0 becomes known. A Server
# belongs to its loop; `on_accept` gets each new Transport.
from libc.stdint cimport uint32_t, uint64_t

from meshcore.base.wheel cimport Timer
from meshcore.io.loop cimport Loop
from meshcore.io.transport cimport Transport
from meshcore.io.uv cimport uv_poll_t

cdef enum:
    ACCEPTS = 64                   # with one event; then others have their turn

ctypedef void (*ServerAccept)(Server *server, Transport *transport) noexcept nogil
ctypedef void (*ServerRefused)(Server *server, bint dropped) noexcept nogil
ctypedef bint (*ServerGive)(Server *server, int fd) noexcept nogil
ctypedef void (*ServerCount)(Server *server, uint32_t n) noexcept nogil

cdef struct Server:
    Loop *loop
    ServerAccept on_accept
    ServerRefused on_refused       # no descriptor: the connection was dropped, or still waits; may be NULL
    ServerGive on_fd               # before it is a Transport; True: it is somebody else's now. NULL: it never is
    ServerCount on_accepted        # how many came with one event; may be NULL
    void *owner
    int most                       # that are accepted with one event
    bint last                      # it is being closed: what waits is accepted here
    int fd
    int spare                      # a descriptor kept for the day when there are none
    bint closing
    uint64_t refused               # connections dropped because there was no descriptor or no memory
    Timer again                    # when the socket is watched again
    uv_poll_t poll

# Takes ownership of the descriptor. NULL with a negative errno. The Server frees itself after server_close.
cdef Server *server_open(Loop *loop, int fd, int backlog, ServerAccept on_accept, void *owner, int *error) noexcept nogil
cdef void server_set_backlog(Server *server, int backlog) noexcept nogil
cdef void server_close(Server *server) noexcept nogil
