# PROXY protocol, versions 1 and 2: the header in which a proxy says who connected to it. Bytes in, addresses out, and back; no I/O.
#
# The specification is HAProxy's. A header that is incomplete is asked about again with more bytes; `len` says how many bytes it has, which
# whoever reads takes from the connection. Leaf code, any thread.
from libc.stdint cimport uint8_t, uint16_t

from meshcore.base.span cimport Span
from meshcore.observe.record cimport IpAddress

cdef enum ProxyHeaderResult:
    PROXY_MORE
    PROXY_FOUND
    PROXY_NONE                     # the bytes begin no header
    PROXY_BAD                      # they do, and it is wrong

cdef enum:
    PROXY_V1_MAX = 108             # longer lines are wrong
    PROXY_V2_HEAD = 16             # what stands before the addresses
    PROXY_TLV_HEAD = 3             # type and length
    PROXY_FIRST_MAX = 232          # so far the end of a line is looked for
    PROXY_HEADER_MAX = 232         # room that proxy_header_write needs
    PROXY_TLVS_MAX = 16 * 1024     # bytes of TLVs that we send; more would be nobody's use

cdef struct ProxyHeader:
    uint8_t version                # 1 or 2, from the first byte on; 0: a line without end
    bint local                     # the proxy speaks for itself (LOCAL), or does not know (UNKNOWN): the connection's own addresses count
    IpAddress source
    IpAddress destination
    size_t len                     # of the whole header
    size_t tlvs                    # where its TLVs begin, `len`: it has none; 0: it is wrong, and not because of them

# Version 2 is wrong, too, if its TLVs do not end where it does; and both are if an address is none that a connection can have.
cdef int proxy_header_parse(const char *at, size_t n, ProxyHeader *header) noexcept nogil
cdef bint proxy_tlv_next(Span *rest, Span *tlv) noexcept nogil               # takes the first one off; False: there is none that is whole
cdef size_t proxy_header_write(int version, const IpAddress *source, const IpAddress *destination, char *out) noexcept nogil    # bytes written
cdef void proxy_header_lengthen(char *head, uint16_t more) noexcept nogil     # so many bytes of TLVs follow a head of version 2
