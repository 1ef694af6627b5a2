# What listener and network filters keep of a connection: dynamic metadata, and filter state, which its streams and log lines see, and who
# reads it once its first bytes have been looked at. Made when first needed, with an arena of its own, and ends with the connection. Worker thread.
from meshcore.base.arena cimport Arena
from meshcore.io.transport cimport TransportOps
from meshcore.observe.metadata cimport FilterState, Metadata

cdef struct ConnectionState:
    Arena arena
    FilterState objects
    Metadata metadata              # dynamic metadata, which its lines and rules see, but not its streams
    TransportOps gate              # while its first bytes are awaited: those of `behind`, but for reading
    const TransportOps *behind

cdef ConnectionState *connection_state_new() noexcept nogil                    # NULL: no memory
cdef void connection_state_free(ConnectionState *state) noexcept nogil         # NULL is nothing
