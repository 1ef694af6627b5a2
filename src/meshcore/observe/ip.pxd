# IP ranges and addresses as text. Leaf code, any thread.
from libc.stdint cimport uint8_t, uint16_t

from meshcore.base.span cimport Span
from meshcore.observe.record cimport IpAddress

cdef struct Cidr:
    IpAddress address
    uint8_t bits

cdef bint address_parse(Span text, IpAddress *out) noexcept nogil                  # an IPv4 or IPv6 literal, no port; False: it is none
cdef bint cidr_holds(const Cidr *block, const IpAddress *address) noexcept nogil
cdef bint cidrs_hold(const Cidr *blocks, uint16_t n, const IpAddress *address) noexcept nogil       # one of them does
