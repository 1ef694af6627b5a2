"""Thrift pools. See pool.pxd for the law.

A connection that fails fails one call, the one that has waited longest: it was made for that one.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memset

from meshcore.base.atomics cimport atomic_add, atomic_load, atomic_ref
from meshcore.cluster.breaker cimport *
from meshcore.cluster.host cimport HOST_CX_ACTIVE, HOST_CX_CONNECT_FAIL, host_unref
from meshcore.conf.stat_ids cimport *
from meshcore.observe.counters cimport gauge_add, stat_add
from meshcore.proxy.engine cimport cluster_unuse
from meshcore.proxy.objects cimport *
from meshcore.proxy.thrift.call_life cimport call_connect_failed, call_overflow
from meshcore.proxy.thrift.charge cimport charge_failed
from meshcore.proxy.thrift.local_reply cimport REASON_LOCAL_FAILURE_AT_START, REASON_TIMEOUT_AT_START
from meshcore.proxy.thrift.objects cimport *
from meshcore.proxy.thrift.upstream cimport upstream_begin, upstream_close, upstream_dial


cdef inline void count(ThriftPool *pool, int stat, int64_t n) noexcept nogil:
    stat_add(pool.cluster.engine.stats, pool.cluster.conf.stats[stat], n)


cdef inline void gauge(ThriftPool *pool, int stat, int64_t n) noexcept nogil:
    gauge_add(pool.cluster.engine.stats, pool.cluster.conf.stats[stat], n)


cdef inline Breaker *breaker_of(ThriftPool *pool) noexcept nogil:
    return &pool.cluster.conf.breakers[0]


# --- finding --------------------------------------------------------------------------------------------------------


cdef bint make_room(ClusterLocal *cluster, uint32_t cap) noexcept nogil:
    cdef void **pools
    if cap <= cluster.thrift_pools_cap:
        return True
    pools = <void **>realloc(cluster.thrift_pools, cap * sizeof(void *))
    if pools == NULL:
        return False
    memset(pools + cluster.thrift_pools_cap, 0, (cap - cluster.thrift_pools_cap) * sizeof(void *))
    cluster.thrift_pools = pools
    cluster.thrift_pools_cap = cap
    return True


cdef ThriftPool *pool_of(ClusterLocal *cluster, Host *host) noexcept nogil:
    cdef ThriftPool *pool
    if not make_room(cluster, host.slot + 1):
        return NULL
    pool = <ThriftPool *>cluster.thrift_pools[host.slot]
    if pool != NULL and pool.host == host:
        return pool
    if pool != NULL:
        retire(pool)               # the slot serves another host now
    pool = <ThriftPool *>calloc(1, sizeof(ThriftPool))
    if pool == NULL:
        return NULL
    pool.cluster = cluster
    cluster.users += 1
    pool.host = host
    atomic_ref(&host.refs)
    pool.pending_last = &pool.pending
    if cluster.retired:
        pool.retired = True        # nothing rests here
    else:
        cluster.thrift_pools[host.slot] = pool
    return pool


# --- lists ----------------------------------------------------------------------------------------------------------


cdef void link_to(ThriftUpstream **list, ThriftUpstream *upstream) noexcept nogil:
    upstream.next = list[0]
    upstream.link = list
    if upstream.next != NULL:
        upstream.next.link = &upstream.next
    list[0] = upstream


cdef void unlink_from(ThriftUpstream *upstream) noexcept nogil:
    if upstream.link != NULL:
        upstream.link[0] = upstream.next
        if upstream.next != NULL:
            upstream.next.link = upstream.link
        upstream.link = NULL


cdef void enqueue(ThriftPool *pool, ThriftCall *call) noexcept nogil:
    call.next_waiting = NULL
    call.waiting_link = pool.pending_last
    pool.pending_last[0] = call
    pool.pending_last = &call.next_waiting
    pool.pending_len += 1
    breaker_take(breaker_of(pool), RESOURCE_PENDING)
    count(pool, CLUSTER_RQ_PENDING_TOTAL, 1)
    gauge(pool, CLUSTER_RQ_PENDING_ACTIVE, 1)


cdef void dequeue(ThriftPool *pool, ThriftCall *call) noexcept nogil:
    call.waiting_link[0] = call.next_waiting
    if call.next_waiting != NULL:
        call.next_waiting.waiting_link = call.waiting_link
    else:
        pool.pending_last = call.waiting_link
    call.waiting_link = NULL
    pool.pending_len -= 1
    breaker_give(breaker_of(pool), RESOURCE_PENDING)
    gauge(pool, CLUSTER_RQ_PENDING_ACTIVE, -1)


cdef inline bint has_connection(ThriftPool *pool) noexcept nogil:
    return pool.idle != NULL or pool.busy != NULL or pool.connecting != NULL


cdef void uncount_pool(ThriftPool *pool) noexcept nogil:
    if pool.counted and pool.pending_len == 0 and not has_connection(pool):
        pool.counted = False
        breaker_give(breaker_of(pool), RESOURCE_POOLS)


# --- serving --------------------------------------------------------------------------------------------------------


cdef void attach(ThriftPool *pool, ThriftUpstream *upstream, ThriftCall *call) noexcept nogil:
    unlink_from(upstream)
    link_to(&pool.busy, upstream)
    upstream_begin(upstream, call)


cdef void pool_request(ThriftPool *pool, ThriftCall *call) noexcept nogil:
    pool.live += 1                 # a failed call may be the last thing that a retired pool was kept for
    place(pool, call)
    pool.live -= 1
    pool_let_go(pool)


cdef void place(ThriftPool *pool, ThriftCall *call) noexcept nogil:
    if not pool.counted:
        if not breaker_allows(breaker_of(pool), RESOURCE_POOLS):
            count(pool, CLUSTER_CX_POOL_OVERFLOW, 1)
            call_overflow(call)
            return
        breaker_take(breaker_of(pool), RESOURCE_POOLS)
        pool.counted = True
    if pool.idle != NULL:
        attach(pool, pool.idle, call)
        return
    if not breaker_allows(breaker_of(pool), RESOURCE_PENDING):
        count(pool, CLUSTER_RQ_PENDING_OVERFLOW, 1)
        call_overflow(call)
        return
    enqueue(pool, call)
    connect_more(pool)


cdef void connect_more(ThriftPool *pool) noexcept nogil:
    # As many connections in the making as calls that wait; a full breaker still leaves each pool its first connection.
    cdef ThriftUpstream *upstream
    while pool.connecting_len < pool.pending_len:
        if not breaker_allows(breaker_of(pool), RESOURCE_CONNECTIONS) or \
                atomic_load(&pool.host.stats[HOST_CX_ACTIVE]) >= breaker_of(pool).limit_per_host:
            count(pool, CLUSTER_CX_OVERFLOW, 1)
            if has_connection(pool):
                return
        upstream = upstream_dial(pool)
        if upstream == NULL:
            fail_one(pool, REASON_LOCAL_FAILURE_AT_START)
            uncount_pool(pool)
            continue
        link_to(&pool.connecting, upstream)
        pool.connecting_len += 1


cdef void fail_one(ThriftPool *pool, uint8_t reason) noexcept nogil:
    cdef ThriftCall *call = pool.pending
    if call == NULL:
        return
    dequeue(pool, call)
    count(pool, CLUSTER_RQ_PENDING_FAILURE_EJECT, 1)
    charge_failed(call)
    call_connect_failed(call, reason)


cdef void pool_cancel(ThriftCall *call) noexcept nogil:
    cdef ThriftPool *pool = call.pool
    if call.waiting_link == NULL:
        return
    dequeue(pool, call)
    count(pool, CLUSTER_RQ_CANCELLED, 1)
    uncount_pool(pool)
    if pool.retired:
        trim(pool)


cdef void pool_connected(ThriftUpstream *upstream) noexcept nogil:
    upstream.pool.connecting_len -= 1
    unlink_from(upstream)
    link_to(&upstream.pool.busy, upstream)
    pool_give_back(upstream)


cdef void pool_connect_failed(ThriftUpstream *upstream, uint8_t reason) noexcept nogil:
    cdef ThriftPool *pool = upstream.pool
    count(pool, CLUSTER_CX_CONNECT_FAIL, 1)
    if reason == REASON_TIMEOUT_AT_START:
        count(pool, CLUSTER_CX_CONNECT_TIMEOUT, 1)
    atomic_add(&pool.host.stats[HOST_CX_CONNECT_FAIL], 1)
    fail_one(pool, reason)


cdef void pool_give_back(ThriftUpstream *upstream) noexcept nogil:
    # A usable connection without a call: the longest waiting one gets it, or it rests.
    cdef ThriftPool *pool = upstream.pool
    cdef ThriftCall *call = pool.pending
    if pool.retired and call == NULL:
        upstream.local_close = True
        upstream_close(upstream)
        return
    unlink_from(upstream)
    link_to(&pool.idle, upstream)
    upstream.state = THRIFT_UP_IDLE
    if call != NULL:
        dequeue(pool, call)
        attach(pool, upstream, call)


cdef void pool_forget(ThriftUpstream *upstream) noexcept nogil:
    cdef ThriftPool *pool = upstream.pool
    if upstream.state == THRIFT_UP_CONNECTING:
        pool.connecting_len -= 1
    unlink_from(upstream)
    pool.live -= 1
    if pool.pending_len > 0:
        connect_more(pool)
    uncount_pool(pool)


# --- end ------------------------------------------------------------------------------------------------------------


cdef void trim(ThriftPool *pool) noexcept nogil:
    # Connections in the making for which nobody waits any more.
    pool.live += 1
    while pool.connecting_len > pool.pending_len:
        upstream_close(pool.connecting)
    pool.live -= 1
    pool_let_go(pool)


cdef void retire(ThriftPool *pool) noexcept nogil:
    # Calls that wait are still served: the host was good when it was chosen.
    cdef ClusterLocal *cluster = pool.cluster
    if pool.retired:
        return
    pool.retired = True
    if pool.host.slot < cluster.thrift_pools_cap and cluster.thrift_pools[pool.host.slot] == pool:
        cluster.thrift_pools[pool.host.slot] = NULL
    pool.live += 1
    while pool.idle != NULL:
        pool.idle.local_close = True
        upstream_close(pool.idle)
    pool.live -= 1
    trim(pool)


cdef void pools_retire(ClusterLocal *cluster, uint32_t slot, Host *host) noexcept nogil:
    cdef ThriftPool *pool
    if slot < cluster.thrift_pools_cap:
        pool = <ThriftPool *>cluster.thrift_pools[slot]
        if pool != NULL and (host == NULL or pool.host == host):
            retire(pool)


cdef void pool_let_go(ThriftPool *pool) noexcept nogil:
    cdef ClusterLocal *cluster = pool.cluster
    if pool.retired and pool.live == 0 and pool.pending_len == 0:
        host_unref(pool.host)
        free(pool)
        cluster_unuse(cluster)
