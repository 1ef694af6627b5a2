"""Own pools; see own_pools.pxd for the law. A chained hash table that doubles when it is full."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from meshcore.base.hash cimport mix64
from meshcore.base.span cimport span
from meshcore.cluster.host cimport Host
from meshcore.conf.proxy_out cimport ProxyOut
from meshcore.conf.tables cimport cluster_says
from meshcore.proxy.connection cimport connection_local
from meshcore.proxy.objects cimport *
from meshcore.proxy.origin cimport Origin, origin_equal, origin_hash
from meshcore.proxy.pool cimport pool_new, pool_retire
from meshcore.proxy.server_name cimport server_name_fill

cdef enum:
    FIRST_BUCKETS = 64


cdef bint own_origin(ClusterLocal *cluster, const Host *host, Connection *connection, Stream *stream, Origin *out) noexcept nogil:
    cdef Arrival *arrival = connection.arrival if connection != NULL else NULL
    cdef const ProxyOut *says = cluster_says(cluster.conf, host)
    cdef bint named = arrival != NULL and (arrival.bind.family != 0 or arrival.mark != 0)
    if says == NULL and cluster.conf.names == NULL and not named and not cluster.conf.own_pools:
        return False
    memset(out, 0, sizeof(Origin))
    if cluster.conf.own_pools and connection != NULL:
        out.client = connection.id
    if named:
        out.bind = arrival.bind
        out.mark = arrival.mark
    if says != NULL and connection != NULL:
        out.source = connection.remote
        out.destination = connection_local(connection)[0]
        if arrival != NULL:
            out.tlvs = span(arrival.tlvs.at, arrival.tlvs.len)
    if cluster.conf.names != NULL and stream != NULL and server_name_fill(stream, cluster, out):
        return True
    return named or says != NULL or cluster.conf.own_pools


cdef inline uint64_t key_of(Host *host, uint8_t priority, bint http2, uint64_t hash) noexcept nogil:
    return mix64(hash ^ <uint64_t><size_t>host ^ (<uint64_t>priority << 1 | http2))


cdef bint grow(OwnPools *own) noexcept nogil:
    cdef uint32_t n = FIRST_BUCKETS if own.buckets == NULL else 2 * (own.mask + 1)
    cdef Pool **buckets = <Pool **>calloc(n, sizeof(Pool *))
    cdef Pool *pool
    cdef uint32_t i
    if buckets == NULL:
        return own.buckets != NULL         # a full table still works
    for i in range(own.mask + 1 if own.buckets != NULL else 0):
        while own.buckets[i] != NULL:
            pool = own.buckets[i]
            own.buckets[i] = pool.next_own
            pool.next_own = buckets[pool.origin_hash & (n - 1)]
            buckets[pool.origin_hash & (n - 1)] = pool
    free(own.buckets)
    own.buckets = buckets
    own.mask = n - 1
    return True


cdef Pool *find(OwnPools *own, Host *host, uint64_t key, const Origin *origin) noexcept nogil:
    cdef Pool *pool = own.buckets[key & own.mask] if own.len else NULL
    while pool != NULL and not (pool.origin_hash == key and pool.host == host and origin_equal(pool.origin, origin)):
        pool = pool.next_own
    return pool


cdef Pool *own_pool_of(ClusterLocal *cluster, Host *host, uint8_t priority, bint http2, const Origin *origin) noexcept nogil:
    cdef OwnPools *own = cluster.own
    cdef uint64_t key = key_of(host, priority, http2, origin_hash(origin))
    cdef Pool *pool
    if own == NULL:
        own = cluster.own = <OwnPools *>calloc(1, sizeof(OwnPools))
    if own == NULL or (own.len > own.mask and not grow(own)) or (own.buckets == NULL and not grow(own)):
        return NULL
    pool = find(own, host, key, origin)
    if pool != NULL:
        return pool
    pool = pool_new(cluster, host, priority, http2, origin)
    if pool == NULL or pool.retired:
        return pool
    pool.origin_hash = key
    pool.next_own = own.buckets[key & own.mask]
    own.buckets[key & own.mask] = pool
    own.len += 1
    return pool


cdef void own_pool_remove(Pool *pool) noexcept nogil:
    cdef OwnPools *own = pool.cluster.own
    cdef Pool **link
    if own == NULL or own.buckets == NULL:
        return
    link = &own.buckets[pool.origin_hash & own.mask]
    while link[0] != NULL and link[0] != pool:
        link = &link[0].next_own
    if link[0] == pool:
        link[0] = pool.next_own
        own.len -= 1


cdef void own_pools_retire(ClusterLocal *cluster) noexcept nogil:
    cdef OwnPools *own = cluster.own
    cdef uint32_t i
    for i in range(own.mask + 1 if own != NULL and own.buckets != NULL else 0):
        while own.buckets[i] != NULL:
            pool_retire(own.buckets[i])


cdef void own_pools_retire_at(ClusterLocal *cluster, uint32_t slot, Host *host) noexcept nogil:
    # What retiring ends may change the chain, so each look begins anew where it stood.
    cdef OwnPools *own = cluster.own
    cdef Pool *pool
    cdef uint32_t i = 0
    if own == NULL or own.len == 0:
        return
    while i <= own.mask:
        pool = own.buckets[i]
        while pool != NULL and (pool.host.slot != slot if host == NULL else pool.host != host):
            pool = pool.next_own
        if pool == NULL:
            i += 1
        else:
            pool_retire(pool)


cdef void own_pools_fini(ClusterLocal *cluster) noexcept nogil:
    if cluster.own != NULL:
        free(cluster.own.buckets)
        free(cluster.own)
        cluster.own = NULL
