# Access-log lines of a TCP session, and what a format may ask of one. Called by tcp_proxy and tcp_tunnel while both transports are there.
from libc.stdint cimport uint8_t

from meshcore.base.span cimport Span
from meshcore.observe.record cimport Record
from meshcore.proxy.objects cimport TcpSession

cdef void tcp_log_facts(TcpSession *session, Record *record) noexcept nogil           # `record` is all zero before
cdef void tcp_log_of_listener(TcpSession *session) noexcept nogil              # its listener has logs: the line of the connection
cdef void tcp_log_write(TcpSession *session, uint8_t kind, Span termination) noexcept nogil     # kind: LogType
