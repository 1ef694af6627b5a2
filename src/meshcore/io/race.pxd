# Race: one dial to several addresses, of which the first that answers wins (RFC 8305, "happy eyeballs").
#
# The transport dials the first address itself; each further one is a rival with a socket of its own, dialled when the one before has failed
# or has not answered for RACE_STEP_MS. A rival that wins gives its socket to the transport and is not seen by its owner. Called by
# io/transport alone, on the worker's thread; ends with the dial, however that ends, and is freed when its handles have closed.
from libc.stdint cimport uint32_t

from meshcore.conf.dial cimport Dial
from meshcore.io.transport cimport Transport
from meshcore.observe.record cimport IpAddress

cdef enum:
    RACE_STEP_MS = 300

# `next`: how many of the addresses were dialled already. No memory: then there is no race, and the transport's own dial decides.
cdef void race_begin(Transport *transport, const IpAddress *addresses, uint32_t n, uint32_t next, const Dial *dial) noexcept nogil
cdef bint race_goes_on(Transport *transport, int error) noexcept nogil       # the transport's own dial has failed; False: all have
cdef void race_end(Transport *transport) noexcept nogil
