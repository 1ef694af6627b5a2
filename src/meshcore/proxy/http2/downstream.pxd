# HTTP/2 downstream connections: one per client, many streams each.
#
# Frames to stream events and back, through codec/http2; GOAWAY, keep-alive pings, idle timeout, drain. Created for a chain that speaks HTTP/2, or by
# an HTTP/1 connection that has read HTTP/2's preface; ends by itself. Streams reach it through DownstreamOps. Worker thread.
from libc.stdint cimport uint8_t

from meshcore.io.transport cimport Transport
from meshcore.proxy.objects cimport ChainLocal, Connection

cdef bint http2_preface_begins(const char *at, size_t n) noexcept nogil       # HTTP/2 with prior knowledge (RFC 9113, 3.3)
cdef void http2_downstream_start(ChainLocal *chain, Transport *transport) noexcept nogil
# The connection turns out to speak HTTP/2: takes its place in the listener, and the first bytes; the caller frees its own struct. False: no memory.
cdef bint http2_downstream_take_over(Connection *connection, const char *at, size_t n) noexcept nogil
cdef const char *http2_down_state_name(uint8_t state) noexcept nogil
