# How a TCP session comes to its host: the choice, the connect and its retries, and what ends with that connection.
#
# Owns the session's upstream transport until it is connected (tcp_proxy moves the bytes then) and what the cluster and the host count of it.
# A try that fails is followed by another, at once or after a back-off, until the attempts are used up: then the session is given up.
# Called by tcp_proxy, and by tcp_tunnel when a stream of its own carries the bytes. Worker thread.
from libc.stdint cimport uint64_t

from meshcore.base.wheel cimport Timer
from meshcore.io.transport cimport Transport
from meshcore.proxy.objects cimport ClusterLocal, TcpSession
from meshcore.route.hash_policy cimport HashAnswer

cdef void tcp_use_cluster(TcpSession *session, ClusterLocal *cluster) noexcept nogil         # the one that is dialled
cdef void tcp_connect(TcpSession *session) noexcept nogil
cdef void tcp_try_again(TcpSession *session) noexcept nogil                   # a try failed
cdef void tcp_unserved(TcpSession *session, uint64_t flags) noexcept nogil    # no host can take it
cdef void tcp_hash(TcpSession *session, HashAnswer *answer) noexcept nogil    # by its hash policy, which it has
cdef void tcp_leave_host(TcpSession *session) noexcept nogil                  # the connection's counts end; the host stays known for the log
cdef void tcp_keep_failure(TcpSession *session, char **kept, Transport *transport) noexcept nogil    # of TLS: the line comes later

# Hooks of the session's timers and of its upstream transport.
cdef void tcp_back_off_over(Timer *timer) noexcept nogil
cdef void tcp_connect_timeout(Timer *timer) noexcept nogil
cdef void tcp_dialled(Transport *transport) noexcept nogil                   # the socket is there: says a PROXY header, if there is one
cdef void tcp_connected(Transport *transport, int error) noexcept nogil
