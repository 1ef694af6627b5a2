# What network filters left on a connection: filter state, which its streams and log lines see. Worker thread.
#
# Made with the first object, in an arena of its own that ends with the connection.
from meshcore.base.arena cimport Arena
from meshcore.observe.metadata cimport FilterState

cdef struct ConnectionState:
    Arena arena
    FilterState objects

cdef ConnectionState *connection_state_new() noexcept nogil                    # NULL: no memory
cdef void connection_state_free(ConnectionState *state) noexcept nogil         # NULL is nothing
