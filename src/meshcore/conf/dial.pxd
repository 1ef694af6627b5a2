# Dial: what is said to the kernel before a host is dialled. Tally: how many connections are open, here and in all. Immutable but for the tallies.
from libc.stdint cimport int64_t, uint32_t

from meshcore.observe.record cimport IpAddress

cdef struct SocketOption:
    int level
    int name
    const char *value
    uint32_t len

cdef struct Dial:
    IpAddress source               # the own address; of which a host of the same family is dialled; family 0: the kernel's choice
    IpAddress other                # the same for hosts of the other family
    bint freebind                  # `source` need not be an address of this machine
    bint transparent               # ... and packets for it come to the socket
    uint32_t mark                  # SO_MARK; 0: none
    const SocketOption *options
    uint32_t options_len

cdef struct Tally:
    int64_t n                      # atomic
    Tally *above                   # counts too; NULL: none
