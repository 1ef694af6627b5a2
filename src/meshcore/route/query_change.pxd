# Changes to the parameters of a path's query (query_parameter_mutations), one after the other, as Envoy makes them.
#
# Owns nothing: the changes lie in the arena of their table, what is made lies in the head's. Names are compared as they are decoded;
# parameters leave in the order of their decoded names, those of one name in the order in which they came, and a name without '='
# gets one, and values that are written are escaped. Unlike Envoy, which writes what it has decoded, the bytes of a parameter that nobody
# changed stay as they came: an escaped ampersand must not begin another parameter, an escaped line end no line.
# Worker thread.
from libc.stdint cimport uint16_t

from meshcore.codec.head cimport Head
from meshcore.observe.record cimport Record
from meshcore.route.mutation cimport HeaderAdd

cdef struct QueryChange:
    HeaderAdd add                  # name, action and value; the name as it is decoded, in its own case
    bint removes                   # every parameter of that name goes

cdef bint query_change_all(const QueryChange *changes, uint16_t n, Head *head, Record *record) noexcept nogil    # False: no memory
