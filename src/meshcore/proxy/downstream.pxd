# HTTP/1 downstream connections: bytes from a client to stream events (responses: downstream_write).
#
# One request at a time; pipelined ones wait as bytes. Created by connection_accept, ends by itself. Worker thread.
from libc.stdint cimport uint8_t

from meshcore.io.transport cimport Transport
from meshcore.proxy.objects cimport ChainLocal, Downstream, Stream

cdef void downstream_start(ChainLocal *chain, Transport *transport) noexcept nogil       # a new connection for an HTTP chain
cdef void downstream_done(Downstream *down, Stream *stream) noexcept nogil               # the stream has ended: next request, or close
cdef void downstream_pause(Downstream *down, uint8_t reason) noexcept nogil
cdef void downstream_resume(Downstream *down, uint8_t reason) noexcept nogil
cdef void downstream_drain(Downstream *down) noexcept nogil
cdef void downstream_cut(Downstream *down) noexcept nogil                                # ends after what was written
cdef void downstream_abort(Downstream *down) noexcept nogil                              # closes at once
cdef const char *down_state_name(uint8_t state) noexcept nogil
