# Hash weights: the hosts of a priority with their shares of it, as the hashing balancers build their tables from them, and the bound on the
# load of one host. Main thread to build, workers to read.
from libc.stdint cimport uint32_t, uint64_t

from meshcore.base.span cimport Span
from meshcore.cluster.balancer cimport Balancer, LbConf
from meshcore.cluster.host cimport Host
from meshcore.cluster.host_set cimport HostSet, Priority

cdef struct HashWeight:
    Host *host
    double share                   # of 1

cdef struct HashWeights:
    uint32_t len
    double least
    double most
    HashWeight entries[1]          # len of them

# A table for each priority of a set: `size` bytes, all zero, whose first member is its weights. `fill` is called for those with hosts,
# `free_table` ends each of them. False: no memory.
cdef bint hash_weights_tables(HostSet *hosts, const LbConf *conf, size_t size, bint (*fill)(void *table, const LbConf *conf) noexcept nogil,
                              void (*free_table)(void *table) noexcept nogil) noexcept nogil
cdef Span hash_weights_key(const Host *host, bint use_hostname) noexcept nogil                          # what stands for a host in a table

# `host` is where the hash leads; when it has more than its share of the cluster's active requests, another one. A host stands in the
# table at `index`.
cdef Host *hash_weights_bound(Balancer *balancer, const HashWeights *weights, uint32_t index, uint64_t hash) noexcept nogil
