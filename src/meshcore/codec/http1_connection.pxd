# HTTP/1 persistence and upgrade: what Connection, Proxy-Connection and Upgrade say (RFC 9110, 7.6.1 and 7.8).
from meshcore.codec.head cimport Head
from meshcore.codec.http1 cimport Http1Message

# Fills keep_alive and upgrade; takes h2c and, in requests, the headers that Connection names out of the head. An Http1Error.
cdef int http1_read_connection(Head *head, Http1Message *message) noexcept nogil
