"""Hosts and host sets: construction and reference counts. See host.pxd for the law."""
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from meshcore.base.atomics cimport atomic_load, atomic_ref, atomic_unref
from meshcore.base.span cimport span
from meshcore.observe.record cimport address_write


cdef Host *host_new(const IpAddress *address, Span hostname, uint32_t slot) noexcept nogil:
    cdef Host *host = <Host *>calloc(1, sizeof(Host) + hostname.len)
    if host == NULL:
        return NULL
    host.refs = 1
    host.address = address[0]
    host.slot = slot
    host.healthy = 1
    host.text = span(host.bytes, address_write(address, host.bytes, True))
    if address.family == 1:
        # The socket's path must outlive the spec it came from.
        host.address.path = host.bytes
        host.bytes[host.text.len] = 0
    memcpy(<char *>host + sizeof(Host), hostname.at, hostname.len)
    host.hostname = span(<char *>host + sizeof(Host), hostname.len)
    return host


cdef void host_unref(Host *host) noexcept nogil:
    if host != NULL and atomic_unref(&host.refs) == 0:
        free(host)


cdef HostSet *host_set_new(uint32_t cap) noexcept nogil:
    cdef size_t room = sizeof(HostSet) + cap * (2 * sizeof(Host *) + 2 * sizeof(uint32_t))
    cdef HostSet *hosts = <HostSet *>calloc(1, room)
    if hosts == NULL:
        return NULL
    hosts.refs = 1
    hosts.hosts = <Host **>(hosts + 1)
    hosts.healthy = hosts.hosts + cap
    hosts.weights = <uint32_t *>(hosts.healthy + cap)
    hosts.healthy_weights = hosts.weights + cap
    return hosts


cdef void host_set_add(HostSet *hosts, Host *host, uint32_t weight) noexcept nogil:
    atomic_ref(&host.refs)
    if hosts.len > 0 and weight != hosts.weights[0]:
        hosts.weighted = True
    hosts.hosts[hosts.len] = host
    hosts.weights[hosts.len] = weight
    hosts.len += 1
    if host.slot >= hosts.slots:
        hosts.slots = host.slot + 1
    if atomic_load(&host.healthy):
        hosts.healthy[hosts.healthy_len] = host
        hosts.healthy_weights[hosts.healthy_len] = weight
        hosts.healthy_len += 1


cdef void host_set_unref(HostSet *hosts) noexcept nogil:
    cdef uint32_t i
    if hosts == NULL or atomic_unref(&hosts.refs) > 0:
        return
    for i in range(hosts.len):
        host_unref(hosts.hosts[i])
    free(hosts)
