"""Connections ahead of requests. See preconnect.pxd for the law."""
from libc.stdint cimport int64_t

from meshcore.cluster.host cimport HOST_HEALTHY, host_health


cdef void preconnect_recount(Pool *pool, Upstream *upstream, unsigned int streams, unsigned int free) noexcept nogil:
    pool.active += streams - upstream.counted_active
    pool.spare += <int64_t>free - <int64_t>upstream.counted_spare
    upstream.counted_active = streams
    upstream.counted_spare = free


cdef bint preconnect_wants(const Pool *pool) noexcept nogil:
    # In single precision, as Envoy reckons. A host that is not healthy gets no more than it needs.
    cdef float ratio = <float>pool.cluster.conf.preconnect.per_host
    if host_health(pool.host) != HOST_HEALTHY:
        return False
    return <float>(pool.pending_len + pool.active) * ratio > <float>(pool.spare + pool.active)
