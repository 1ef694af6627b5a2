# Accepted connections that listener filters look at, before a filter chain has them.
#
# Each filter in turn sees the first bytes, as many as have come, and says whether it needs more; what was read is given back to the transport,
# so that the chain reads it again. PROXY headers alone are taken away. Worker thread; ends by giving the connection to a chain or closing it.
from meshcore.io.transport cimport Transport
from meshcore.proxy.objects cimport ListenerLocal

cdef void accepted_start(ListenerLocal *listener, Transport *transport) noexcept nogil
cdef void accepted_move(ListenerLocal *old, ListenerLocal *listener) noexcept nogil         # all go on with the listener's successor
cdef void accepted_end_all(ListenerLocal *listener) noexcept nogil
