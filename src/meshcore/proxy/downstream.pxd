# HTTP/1 downstream connections: bytes from a client to stream events (responses: downstream_write).
#
# One request at a time; pipelined ones wait as bytes. Created by connection_accept, ends by itself. Streams reach it through DownstreamOps.
# Worker thread.
from libc.stdint cimport uint8_t

from meshcore.io.transport cimport Transport
from meshcore.proxy.objects cimport ChainLocal

cdef void downstream_start(ChainLocal *chain, Transport *transport) noexcept nogil       # a new connection for an HTTP chain
cdef const char *down_state_name(uint8_t state) noexcept nogil
