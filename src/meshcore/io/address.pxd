# Addresses between our IpAddress and the kernel's sockaddr. Only io/ uses this.
from meshcore.io.uv cimport sockaddr, sockaddr_storage
from meshcore.observe.record cimport IpAddress

cdef unsigned int address_to_kernel(const IpAddress *address, sockaddr_storage *out) noexcept nogil     # length; 0: a Unix path too long
cdef void address_from_kernel(const sockaddr *kernel, IpAddress *out) noexcept nogil
