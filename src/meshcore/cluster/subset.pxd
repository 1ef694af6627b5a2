# Subsets: the hosts of a cluster divided by their metadata, and which of the parts serves a request, with Envoy's fallbacks.
#
# Every subset is a host set of its own, prepared for the same policy; all belong to the whole set and end with it. Built on the main thread
# (bind/subsets), read by workers. A lookup is one hash of the wanted pairs.
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from meshcore.base.span cimport Span
from meshcore.cluster.balancer cimport Balancer, Pick
from meshcore.cluster.host cimport Host
from meshcore.cluster.host_set cimport HostSet
from meshcore.route.criteria cimport Criterion

cdef enum SubsetFallback:
    SUBSET_NOT_DEFINED             # of a selector: the cluster's own is used
    SUBSET_NO_FALLBACK
    SUBSET_ANY_ENDPOINT
    SUBSET_DEFAULT
    SUBSET_KEYS                    # of a selector: once more with fewer keys

cdef struct SubsetSelector:
    const Span *keys               # sorted
    uint32_t keys_len
    uint8_t fallback               # SubsetFallback
    const Span *fallback_keys
    uint32_t fallback_keys_len

cdef struct SubsetConf:
    SubsetSelector *selectors      # where redundant keys are allowed: those with most keys first
    uint32_t selectors_len
    uint8_t fallback               # SubsetFallback
    bint allow_redundant_keys
    bint panic_any
    bint fallback_list

cdef struct Subset:
    Criterion *pairs
    uint32_t len
    uint64_t hash
    HostSet *hosts                 # a reference
    Host *single                   # single_host_per_subset: its one host, whatever its health; else NULL

cdef struct Subsets:
    Subset *entries
    uint32_t len
    uint32_t *table                # by hash: 1 + index, 0 = free
    uint32_t cap                   # a power of two
    HostSet *any                   # references; NULL: nothing needs them
    HostSet *fallback

cdef Subsets *subsets_new(uint32_t cap) noexcept nogil                         # room for `cap` entries; NULL: no memory
# Takes the pairs (of malloc) and the reference.
cdef void subsets_add(Subsets *subsets, Criterion *pairs, uint32_t n, HostSet *hosts, Host *single) noexcept nogil
cdef void subsets_free(void *subsets) noexcept nogil
cdef Host *subset_pick(Balancer *balancer, Pick *pick) noexcept nogil
