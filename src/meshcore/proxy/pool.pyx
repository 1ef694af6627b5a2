"""Pools of upstream connections. See pool.pxd for the law."""
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memset

from meshcore.base.atomics cimport atomic_add, atomic_load, atomic_ref
from meshcore.base.span cimport span
from meshcore.cluster.breaker cimport *
from meshcore.cluster.host cimport HOST_CX_ACTIVE, HOST_CX_CONNECT_FAIL, host_unref
from meshcore.conf.stat_ids cimport *
from meshcore.conf.tables cimport UPSTREAM_AUTO
from meshcore.observe.counters cimport gauge_add, stat_add
from meshcore.proxy.engine cimport cluster_unuse
from meshcore.proxy.failure cimport attempt_failed, attempt_refused
from meshcore.proxy.objects cimport *
from meshcore.proxy.origin cimport Origin, origin_copy
from meshcore.proxy.own_pools cimport own_pool_remove
from meshcore.proxy.preconnect cimport PRECONNECT_STEP, preconnect_recount, preconnect_wants
from meshcore.proxy.request_queue cimport queue_leave, queue_wait
from meshcore.proxy.attempt cimport RESET_CONNECT_REFUSED, RESET_CONNECT_TIMEOUT, RESET_OVERFLOW, attempt_ready
from meshcore.proxy.upstream cimport upstream_begin, upstream_close, upstream_dial, upstream_leave


cdef inline void count(Pool *pool, int stat, int64_t n) noexcept nogil:
    stat_add(pool.cluster.engine.stats, pool.cluster.conf.stats[stat], n)


cdef inline void gauge(Pool *pool, int stat, int64_t n) noexcept nogil:
    gauge_add(pool.cluster.engine.stats, pool.cluster.conf.stats[stat], n)


cdef inline Breaker *breaker_of(Pool *pool) noexcept nogil:
    return &pool.cluster.conf.breakers[pool.priority]


# --- finding --------------------------------------------------------------------------------------------------------


cdef bint make_room(ClusterLocal *cluster, uint32_t cap) noexcept nogil:
    cdef Pool **pools
    if cap <= cluster.pools_cap:
        return True
    pools = <Pool **>realloc(cluster.pools, cap * sizeof(Pool *))
    if pools == NULL:
        return False
    memset(pools + cluster.pools_cap, 0, (cap - cluster.pools_cap) * sizeof(Pool *))
    cluster.pools = pools
    cluster.pools_cap = cap
    return True


cdef Pool *pool_of(ClusterLocal *cluster, Host *host, uint8_t priority, bint http2) noexcept nogil:
    cdef uint32_t at = host.slot * POOLS_PER_HOST + 2 * http2 + priority
    cdef Pool *pool
    if at >= cluster.pools_cap and not make_room(cluster, (host.slot + 1) * POOLS_PER_HOST):
        return NULL
    pool = cluster.pools[at]
    if pool != NULL and pool.host == host:
        return pool
    if pool != NULL:
        pool_retire(pool)          # the slot serves another host now
    pool = pool_new(cluster, host, priority, http2, NULL)
    if pool != NULL and not pool.retired:
        cluster.pools[at] = pool
    return pool


cdef Pool *pool_new(ClusterLocal *cluster, Host *host, uint8_t priority, bint http2, const Origin *origin) noexcept nogil:
    cdef Pool *pool = <Pool *>malloc(sizeof(Pool))
    if pool == NULL:
        return NULL
    memset(pool, 0, sizeof(Pool))
    if origin != NULL:
        pool.origin = origin_copy(origin)
        if pool.origin == NULL:
            free(pool)
            return NULL
    pool.cluster = cluster
    cluster.users += 1
    pool.host = host
    atomic_ref(&host.refs)
    pool.priority = priority
    pool.http2 = http2
    pool.pending_last = &pool.pending
    pool.retired = cluster.retired      # a late try of a stream that still uses the old cluster: nothing rests here
    return pool


# --- lists ----------------------------------------------------------------------------------------------------------


cdef void pool_link(Upstream **list, Upstream *upstream) noexcept nogil:
    upstream.next = list[0]
    upstream.link = list
    if upstream.next != NULL:
        upstream.next.link = &upstream.next
    list[0] = upstream


cdef void pool_unlink(Upstream *upstream) noexcept nogil:
    if upstream.link != NULL:
        upstream.link[0] = upstream.next
        if upstream.next != NULL:
            upstream.next.link = upstream.link
        upstream.link = NULL


cdef void enqueue(Pool *pool, Attempt *attempt) noexcept nogil:
    attempt.next = NULL
    attempt.link = pool.pending_last
    pool.pending_last[0] = attempt
    pool.pending_last = &attempt.next
    pool.pending_len += 1
    breaker_take(breaker_of(pool), RESOURCE_PENDING)
    count(pool, CLUSTER_RQ_PENDING_TOTAL, 1)
    gauge(pool, CLUSTER_RQ_PENDING_ACTIVE, 1)


cdef void dequeue(Pool *pool, Attempt *attempt) noexcept nogil:
    attempt.link[0] = attempt.next
    if attempt.next != NULL:
        attempt.next.link = attempt.link
    else:
        pool.pending_last = attempt.link
    attempt.link = NULL
    pool.pending_len -= 1
    breaker_give(breaker_of(pool), RESOURCE_PENDING)
    gauge(pool, CLUSTER_RQ_PENDING_ACTIVE, -1)


# --- serving --------------------------------------------------------------------------------------------------------


cdef void attach(Pool *pool, Upstream *upstream, Attempt *attempt) noexcept nogil:
    # Envoy checks max_requests here, not at arrival.
    if not breaker_allows(breaker_of(pool), RESOURCE_REQUESTS):
        if pool.cluster.conf.queue != NULL and queue_wait(pool, attempt):
            return
        count(pool, CLUSTER_RQ_ACTIVE_OVERFLOW, 1)
        attempt_failed(attempt, RESET_OVERFLOW, span(b"", 0))
        return
    upstream.streams += 1
    upstream_begin(upstream, attempt)
    settle(pool, upstream)
    attempt_ready(attempt, upstream)


cdef inline bint usable(Upstream *upstream) noexcept nogil:
    return upstream.streams < upstream.room and not upstream.close_after and upstream.state != UP_CLOSED


cdef inline bint runs_ahead(Pool *pool) noexcept nogil:
    return pool.cluster.conf.preconnect != NULL and not pool.retired


cdef void recount(Pool *pool, Upstream *upstream) noexcept nogil:
    preconnect_recount(pool, upstream, upstream.streams, upstream.room - upstream.streams if usable(upstream) else 0)


cdef void settle(Pool *pool, Upstream *upstream) noexcept nogil:
    # Into the list where it belongs by what it has room for.
    if pool.cluster.conf.preconnect != NULL:
        recount(pool, upstream)
    pool_unlink(upstream)
    if upstream.streams == 0 and not upstream.close_after:
        pool_link(&pool.idle, upstream)
    elif usable(upstream):
        pool_link(&pool.open, upstream)
    else:
        pool_link(&pool.busy, upstream)


cdef void pool_request(Pool *pool, Attempt *attempt) noexcept nogil:
    pool.live += 1                 # a failed attempt may be the last thing a retired pool was kept for
    place(pool, attempt)
    pool.live -= 1
    pool_let_go(pool)


cdef bint count_pool(Pool *pool) noexcept nogil:
    if not breaker_allows(breaker_of(pool), RESOURCE_POOLS):
        return False
    breaker_take(breaker_of(pool), RESOURCE_POOLS)
    pool.counted = True
    return True


cdef void uncount_pool(Pool *pool) noexcept nogil:
    if pool.counted and pool.pending_len == 0 and not has_connection(pool):
        pool.counted = False
        breaker_give(breaker_of(pool), RESOURCE_POOLS)


cdef void place(Pool *pool, Attempt *attempt) noexcept nogil:
    attempt.pool = pool
    if not pool.counted and not count_pool(pool):
        count(pool, CLUSTER_CX_POOL_OVERFLOW, 1)
        attempt_refused(attempt)
        return
    if not attempt.fresh and (pool.open != NULL or pool.idle != NULL):
        attach(pool, pool.open if pool.open != NULL else pool.idle, attempt)
        if runs_ahead(pool):
            connect_more(pool)
        return
    if not breaker_allows(breaker_of(pool), RESOURCE_PENDING):
        count(pool, CLUSTER_RQ_PENDING_OVERFLOW, 1)
        attempt.stream.record.upstream_remote = NULL       # Envoy logs no host for what it never queued
        attempt_failed(attempt, RESET_OVERFLOW, span(b"", 0))
        return
    enqueue(pool, attempt)
    connect_more(pool)


cdef inline bint has_connection(Pool *pool) noexcept nogil:
    return pool.idle != NULL or pool.open != NULL or pool.busy != NULL or pool.connecting != NULL


cdef inline uint64_t places(Pool *pool) noexcept nogil:
    # What a connection in the making is expected to serve.
    return pool.cluster.conf.http2.max_streams if pool.http2 and pool.cluster.conf.protocol != UPSTREAM_AUTO else 1


cdef bint short_of_connections(Pool *pool, uint32_t made) noexcept nogil:
    # As many in the making as the attempts that wait will need, and some more where the cluster runs ahead.
    if pool.connecting_len * places(pool) < pool.pending_len:
        return True
    return runs_ahead(pool) and made < PRECONNECT_STEP and preconnect_wants(pool)


cdef void connect_more(Pool *pool) noexcept nogil:
    # A full breaker still leaves each pool its first connection.
    cdef Upstream *upstream
    cdef Span failure
    cdef uint32_t made = 0
    while short_of_connections(pool, made):
        if not breaker_allows(breaker_of(pool), RESOURCE_CONNECTIONS) or \
                atomic_load(&pool.host.stats[HOST_CX_ACTIVE]) >= breaker_of(pool).limit_per_host:
            count(pool, CLUSTER_CX_OVERFLOW, 1)
            if has_connection(pool):
                return
        upstream = upstream_dial(pool, &failure)
        if upstream == NULL:
            fail_pending(pool, RESET_CONNECT_REFUSED, failure)
            uncount_pool(pool)
            return
        pool_link(&pool.connecting, upstream)
        pool.connecting_len += 1
        made += 1
        if pool.cluster.conf.preconnect != NULL:
            recount(pool, upstream)


cdef void fail_pending(Pool *pool, uint8_t reason, Span failure) noexcept nogil:
    # Only those that wait now: a failed attempt may come straight back as another try.
    cdef uint32_t n = pool.pending_len
    cdef Attempt *attempt
    pool.cluster.users += 1
    while n > 0 and pool.pending != NULL:
        n -= 1
        attempt = pool.pending
        dequeue(pool, attempt)
        count(pool, CLUSTER_RQ_PENDING_FAILURE_EJECT, 1)
        attempt_failed(attempt, reason, failure)
    cluster_unuse(pool.cluster)


cdef void pool_cancel(Attempt *attempt) noexcept nogil:
    cdef Pool *pool = attempt.pool
    if attempt.waits:
        queue_leave(attempt)
    elif attempt.link != NULL:
        dequeue(pool, attempt)
        count(pool, CLUSTER_RQ_CANCELLED, 1)
        uncount_pool(pool)
        if pool.retired:
            trim(pool)


cdef void pool_connected(Upstream *upstream) noexcept nogil:
    upstream.pool.connecting_len -= 1
    pool_unlink(upstream)
    pool_link(&upstream.pool.busy, upstream)
    pool_give_back(upstream)


cdef void pool_connect_failed(Upstream *upstream, uint8_t reason, Span failure) noexcept nogil:
    cdef Pool *pool = upstream.pool
    count(pool, CLUSTER_CX_CONNECT_FAIL, 1)
    if reason == RESET_CONNECT_TIMEOUT:
        count(pool, CLUSTER_CX_CONNECT_TIMEOUT, 1)
    atomic_add(&pool.host.stats[HOST_CX_CONNECT_FAIL], 1)
    fail_pending(pool, reason, failure)


cdef void pool_give_back(Upstream *upstream) noexcept nogil:
    # A usable connection has room: the attempts that wait longest get it, or it rests.
    cdef Pool *pool = upstream.pool
    cdef Attempt *attempt
    if pool.retired and pool.pending == NULL:
        if upstream.streams == 0:
            upstream_leave(upstream)
        return
    settle(pool, upstream)
    if upstream.streams == 0:
        upstream.state = UP_IDLE
    pool.live += 1                 # a failed attempt may be the last thing a retired pool was kept for
    while pool.pending != NULL and usable(upstream):
        attempt = pool.pending
        dequeue(pool, attempt)
        attach(pool, upstream, attempt)
    pool.live -= 1
    pool_let_go(pool)


cdef void pool_stream_over(Upstream *upstream) noexcept nogil:
    upstream.streams -= 1
    if not upstream.close_after:
        pool_give_back(upstream)
    elif upstream.streams == 0:
        upstream_leave(upstream)


cdef void pool_no_more(Upstream *upstream) noexcept nogil:
    upstream.close_after = True
    if upstream.state == UP_IDLE:
        upstream_leave(upstream)
    elif upstream.state != UP_CONNECTING and upstream.state != UP_CLOSED:
        settle(upstream.pool, upstream)


cdef void pool_forget(Upstream *upstream) noexcept nogil:
    cdef Pool *pool = upstream.pool
    if upstream.state == UP_CONNECTING:
        pool.connecting_len -= 1
    pool_unlink(upstream)
    if pool.cluster.conf.preconnect != NULL:
        preconnect_recount(pool, upstream, 0, 0)
    pool.live -= 1
    if pool.pending_len > 0:
        connect_more(pool)
    uncount_pool(pool)


cdef void pool_release(Pool *pool) noexcept nogil:
    cdef ClusterLocal *cluster = pool.cluster
    host_unref(pool.host)
    free(pool.origin)
    free(pool)
    cluster_unuse(cluster)


cdef void trim(Pool *pool) noexcept nogil:
    # Connections in the making for which nobody waits any more.
    pool.live += 1
    while pool.connecting != NULL and (pool.connecting_len - 1) * places(pool) >= pool.pending_len:
        upstream_close(pool.connecting)
    pool.live -= 1
    pool_let_go(pool)


cdef void pool_retire(Pool *pool) noexcept nogil:
    # Attempts that wait are still served, as Envoy's draining pools do: the host was good when it was chosen.
    cdef uint32_t at = pool.host.slot * POOLS_PER_HOST + 2 * pool.http2 + pool.priority
    if pool.retired:
        return
    pool.retired = True
    if pool.origin != NULL:
        own_pool_remove(pool)
    elif at < pool.cluster.pools_cap and pool.cluster.pools[at] == pool:
        pool.cluster.pools[at] = NULL
    pool.live += 1                 # ours, until we are done here
    while pool.idle != NULL:
        upstream_leave(pool.idle)
    while pool.open != NULL:
        pool_no_more(pool.open)
    pool.live -= 1
    trim(pool)


cdef void pool_let_go(Pool *pool) noexcept nogil:
    if pool.live > 0 or pool.pending_len > 0:
        return
    if pool.origin != NULL and not pool.retired:
        own_pool_remove(pool)
        pool.retired = True
    if pool.retired:
        pool_release(pool)
