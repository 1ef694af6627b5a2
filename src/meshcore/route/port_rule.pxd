# Rules about the port that a connection was made to: which of them a listener filter leaves alone. Immutable, in a listener's arena; compiled
# by bind/listener_filters, asked by the worker that accepted the connection. No I/O, no state.
from libc.stdint cimport uint8_t, uint32_t

cdef enum PortTest:
    PORT_ANY
    PORT_RANGE
    PORT_NOT                       # the only one of `parts`
    PORT_ALL_OF
    PORT_ONE_OF

cdef struct PortRule:
    uint8_t test                   # PortTest
    uint32_t first                 # PORT_RANGE: from here
    uint32_t end                   # ... up to the one before
    PortRule *parts
    uint32_t parts_len

cdef bint port_rule_holds(const PortRule *rule, uint32_t port) noexcept nogil
