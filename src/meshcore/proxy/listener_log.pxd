# Access logs of a listener: a line for each of its connections when it ends, and for those that ended before a filter chain had them.
#
# Whoever ends a connection calls, if the listener has logs at all. A TCP session's line is proxy/tcp_log's, which knows more. Worker thread.
from libc.stdint cimport uint64_t

from meshcore.base.span cimport Span
from meshcore.io.transport cimport Transport
from meshcore.proxy.objects cimport Arrival, Connection, ListenerLocal

cdef void listener_log_connection(Connection *connection) noexcept nogil      # while its transport is there
cdef void listener_log_refused(ListenerLocal *listener, Transport *transport, Arrival *arrival, uint64_t started_ns, uint64_t flags,
                               Span details) noexcept nogil
