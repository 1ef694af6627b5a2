# Hosts and host sets: who can serve a cluster.
#
# A Host is one address of one cluster; it lives as long as a host set, a pool or a stream refers to it, and is shared by all workers
# (what changes in it is atomic). A HostSet is immutable and replaced as a whole when membership, weight or health changes; the Hosts in
# it are carried over, so pools survive. Built on the main thread by bind/, read by workers.
from libc.stdint cimport int64_t, uint8_t, uint32_t

from meshcore.base.span cimport Span
from meshcore.observe.record cimport IpAddress

cdef enum:
    # Per-host counters, all atomic; names as in /clusters.
    HOST_CX_ACTIVE
    HOST_CX_TOTAL
    HOST_CX_CONNECT_FAIL
    HOST_RQ_ACTIVE
    HOST_RQ_TOTAL
    HOST_RQ_SUCCESS
    HOST_RQ_ERROR
    HOST_RQ_TIMEOUT
    HOST_STATS

cdef struct Host:
    int64_t refs                   # atomic
    IpAddress address
    Span text                      # "10.0.0.1:80", as logs and stats print it
    Span hostname
    uint32_t slot                  # its place in every worker's pool table of this cluster
    int64_t healthy                # atomic; 1 = may be chosen
    int64_t stats[HOST_STATS]      # atomic
    char bytes[128]                # text and path

cdef struct HostSet:
    int64_t refs                   # atomic
    uint32_t len                   # all hosts
    uint32_t healthy_len
    uint32_t slots                 # one more than the highest Host.slot
    bint weighted                  # weights differ
    Host **hosts
    Host **healthy
    uint32_t *weights              # of `hosts`
    uint32_t *healthy_weights

cdef Host *host_new(const IpAddress *address, Span hostname, uint32_t slot) noexcept nogil      # refs = 1; NULL: no memory
cdef void host_unref(Host *host) noexcept nogil
cdef HostSet *host_set_new(uint32_t cap) noexcept nogil                                        # refs = 1, empty
cdef void host_set_add(HostSet *hosts, Host *host, uint32_t weight) noexcept nogil             # takes a reference of its own
cdef void host_set_unref(HostSet *hosts) noexcept nogil
