# Network filters before the one that ends a filter chain: each sees a new connection once and may refuse it.
#
# The terminal filter asks when it has counted the connection and before it does anything for it; a refused one is closed at once, or kept for
# a while (connection_limit's delay): then what it says is read and thrown away, up to the listener's buffer limit. Worker thread.
from meshcore.proxy.objects cimport Connection

cdef bint network_filters_pass(Connection *connection) noexcept nogil      # False: one of them has refused it, and sees to its end
cdef void network_filters_end(Connection *connection) noexcept nogil       # the connection is over; called for each that began
