# Network RBAC and set_filter_state: settings, compiled by bind/, and what they do with a connection. Worker thread.
#
# Rules are asked with the first bytes of the client, and with all others if they are continuous, as Envoy's are: until then the filter that
# ends the chain does what it does (dials, for a TCP proxy), and its read hook stands behind a gate. A refused connection is closed, or no
# longer read and closed later.
from libc.stdint cimport uint64_t

from meshcore.filter.set_filter_state cimport SetFilterStateConf
from meshcore.observe.metadata cimport FilterState
from meshcore.proxy.connection_state cimport ConnectionState
from meshcore.proxy.objects cimport Connection
from meshcore.route.access_rules cimport AccessRules

cdef struct RbacConf:
    AccessRules *rules             # NULL: everybody may, and nothing is counted
    AccessRules *shadow            # counted, nothing else; NULL: none
    bint continuous                # asked at every read
    bint asks_record               # ... for what is in a Record
    uint64_t delay_ms              # a refused connection is closed so much later

cdef void network_rules_guard(Connection *connection) noexcept nogil           # its chain has begun with it, and has rules
cdef ConnectionState *connection_state_of(Connection *connection) noexcept nogil     # made when missing; NULL: no memory
cdef FilterState *connection_filter_state(Connection *connection) noexcept nogil     # made when missing; NULL: no memory
cdef void network_state_set(Connection *connection, const SetFilterStateConf *conf) noexcept nogil
