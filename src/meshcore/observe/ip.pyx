"""IP ranges and addresses as text; see ip.pxd."""
from libc.string cimport memcpy, memset

cdef extern from "<arpa/inet.h>" nogil:
    int inet_pton(int family, const char *text, void *out) noexcept
    int AF_INET, AF_INET6


cdef bint address_parse(Span text, IpAddress *out) noexcept nogil:
    cdef char zero_ended[64]
    if text.len == 0 or text.len >= sizeof(zero_ended):
        return False
    memset(out, 0, sizeof(IpAddress))
    memcpy(zero_ended, text.at, text.len)
    zero_ended[text.len] = 0
    if inet_pton(AF_INET, zero_ended, out.bytes) == 1:
        out.family = 4
        return True
    if inet_pton(AF_INET6, zero_ended, out.bytes) == 1:
        out.family = 6
        return True
    return False


cdef bint cidr_holds(const Cidr *block, const IpAddress *address) noexcept nogil:
    cdef uint8_t whole = block.bits >> 3
    cdef uint8_t rest = block.bits & 7
    cdef uint8_t i
    if address.family != block.address.family:
        return False
    for i in range(whole):
        if address.bytes[i] != block.address.bytes[i]:
            return False
    return rest == 0 or (address.bytes[whole] ^ block.address.bytes[whole]) >> (8 - rest) == 0


cdef bint cidrs_hold(const Cidr *blocks, uint16_t n, const IpAddress *address) noexcept nogil:
    cdef uint16_t i
    for i in range(n):
        if cidr_holds(&blocks[i], address):
            return True
    return False
