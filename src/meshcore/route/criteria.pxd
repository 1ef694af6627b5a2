# Criteria: which subset of a cluster's hosts a request wants (metadata_match), as pairs of key and value.
#
# Built with the route table on the main thread and immutable; the subset balancer (cluster/subset) reads it. Values are canonical text: two
# values are equal when their bytes are.
from libc.stdint cimport uint32_t, uint64_t

from meshcore.base.arena cimport Arena
from meshcore.base.span cimport Span

cdef enum:
    CRITERIA_MAX = 64              # pairs; sets of them are bits of a word

cdef struct Criterion:
    Span key
    Span value
    uint64_t hash                  # of both

cdef struct Criteria:
    Criterion *pairs               # by key
    uint32_t len
    Criteria *plain                # without the key fallback_list; NULL: it has none
    Criteria *alternatives         # ... merged with each entry of that list, to be tried in turn
    uint32_t alternatives_len

cdef uint64_t criterion_hash(Span key, Span value) noexcept nogil

# A hash of the pairs whose bits are set; equal sets of equal pairs have equal hashes.
cdef uint64_t criteria_hash(const Criterion *pairs, uint32_t n, uint64_t wanted) noexcept nogil
