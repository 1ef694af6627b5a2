# What tls_inspector says of a connection that does not begin with a ClientHello: a transport failure, and dynamic metadata. Constants, so
# that a plain connection carries no more for it than a number. Any thread.
from libc.stdint cimport uint8_t

from meshcore.base.span cimport Span
from meshcore.observe.metadata cimport Metadata

cdef Span not_hello_reason(uint8_t other) noexcept nogil                       # of a NotHello, as Envoy's library of TLS names it; 0: none
cdef Metadata not_hello_metadata(uint8_t other, bint too_large) noexcept nogil
