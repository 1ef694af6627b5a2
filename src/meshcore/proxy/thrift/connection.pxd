# Thrift connections: bytes of a client to calls, and its replies and exceptions back to bytes.
#
# Made for each accepted connection of a CHAIN_THRIFT filter chain. It reads one message after the other; a call that has no connection yet holds
# up those behind it, calls that are under way do not. It ends by an exception of the proxy's own (behind which it is closed, as in Envoy), by
# max_requests_per_connection, by a drain, and by the client; calls under way end with it. Worker thread.
from libc.stdint cimport uint8_t

from meshcore.io.transport cimport Transport
from meshcore.proxy.objects cimport ChainLocal
from meshcore.proxy.thrift.objects cimport ThriftCall, ThriftDownstream

cdef void thrift_start(ChainLocal *chain, Transport *transport) noexcept nogil        # a new connection for a Thrift chain
cdef void downstream_resume(ThriftDownstream *down) noexcept nogil                    # nothing holds up the next call any more
cdef void downstream_close(ThriftDownstream *down, bint local) noexcept nogil         # ends its calls; lets out what waits
cdef void downstream_call_passed(ThriftCall *call) noexcept nogil                     # one more of its filters has answered
cdef void downstream_call_ended(ThriftDownstream *down) noexcept nogil                # it may have been the last one
