"""Addresses: IpAddress to sockaddr and back. Leaf code, any thread."""
from libc.string cimport memcpy, memset, strlen, strncpy

cdef extern from "<netinet/in.h>" nogil:
    struct in_addr:
        unsigned int s_addr
    struct in6_addr:
        unsigned char s6_addr[16]
    struct sockaddr_in:
        unsigned short sin_family
        unsigned short sin_port
        in_addr sin_addr
    struct sockaddr_in6:
        unsigned short sin6_family
        unsigned short sin6_port
        in6_addr sin6_addr
    unsigned short htons(unsigned short v) noexcept
    unsigned short ntohs(unsigned short v) noexcept
    int AF_INET, AF_INET6, AF_UNIX

cdef extern from "<sys/un.h>" nogil:
    struct sockaddr_un:
        unsigned short sun_family
        char sun_path[108]


cdef unsigned int address_to_kernel(const IpAddress *address, sockaddr_storage *out) noexcept nogil:
    cdef sockaddr_in *v4 = <sockaddr_in *>out
    cdef sockaddr_in6 *v6 = <sockaddr_in6 *>out
    cdef sockaddr_un *un = <sockaddr_un *>out
    memset(out, 0, sizeof(sockaddr_storage))
    if address.family == 4:
        v4.sin_family = AF_INET
        v4.sin_port = htons(address.port)
        memcpy(&v4.sin_addr, address.bytes, 4)
        return sizeof(sockaddr_in)
    if address.family == 6:
        v6.sin6_family = AF_INET6
        v6.sin6_port = htons(address.port)
        memcpy(&v6.sin6_addr, address.bytes, 16)
        return sizeof(sockaddr_in6)
    if strlen(address.path) >= sizeof(un.sun_path):
        return 0
    un.sun_family = AF_UNIX
    strncpy(un.sun_path, address.path, sizeof(un.sun_path) - 1)
    if un.sun_path[0] != 64:       # @: a name of the abstract namespace
        return sizeof(sockaddr_un)
    un.sun_path[0] = 0
    return <unsigned int>(sizeof(un.sun_family) + strlen(address.path))


cdef void address_from_kernel(const sockaddr *kernel, IpAddress *out) noexcept nogil:
    cdef const sockaddr_in *v4 = <const sockaddr_in *>kernel
    cdef const sockaddr_in6 *v6 = <const sockaddr_in6 *>kernel
    memset(out, 0, sizeof(IpAddress))
    if v4.sin_family == AF_INET:
        out.family = 4
        out.port = ntohs(v4.sin_port)
        memcpy(out.bytes, &v4.sin_addr, 4)
    elif v4.sin_family == AF_INET6:
        out.family = 6
        out.port = ntohs(v6.sin6_port)
        memcpy(out.bytes, &v6.sin6_addr, 16)
    elif v4.sin_family == AF_UNIX:
        out.family = 1
        out.path = b""
