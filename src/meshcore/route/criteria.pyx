"""Criteria: hashes of pairs and of sets of them. See criteria.pxd for the law."""
from meshcore.base.hash cimport mix64, xxhash64


cdef uint64_t criterion_hash(Span key, Span value) noexcept nogil:
    return xxhash64(value.at, value.len, xxhash64(key.at, key.len, 0))


cdef uint64_t criteria_hash(const Criterion *pairs, uint32_t n, uint64_t wanted) noexcept nogil:
    cdef uint64_t hash = 0
    cdef uint32_t i
    for i in range(n):
        if wanted >> i & 1:
            hash = mix64(hash ^ pairs[i].hash)
    return hash
