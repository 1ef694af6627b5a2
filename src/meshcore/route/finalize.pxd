# Finalize: all header mutations of a chosen route, in Envoy's order, for the request before it goes upstream and for the response
# before it goes downstream. Worker thread. False: no memory.
#
# The weighted cluster goes first. Then route, virtual host and table, so that the table has the last word; the other way round
# when the table says that the most specific mutations win.
from meshcore.codec.head cimport Head
from meshcore.observe.record cimport Record
from meshcore.route.table cimport ClusterChoice, Route

cdef bint route_mutate_request(const Route *route, const ClusterChoice *choice, Head *head, Record *record) noexcept nogil
cdef bint route_mutate_response(const Route *route, const ClusterChoice *choice, Head *head, Record *record) noexcept nogil
