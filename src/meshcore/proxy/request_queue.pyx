"""Request queue. See request_queue.pxd for the law."""
from libc.stdint cimport uint64_t

from meshcore.base.clock cimport clock_ms
from meshcore.base.span cimport span
from meshcore.base.wheel cimport Timer, timer_armed, timer_cancel, timer_init, wheel_arm
from meshcore.cluster.breaker cimport RESOURCE_REQUESTS, breaker_allows
from meshcore.conf.stat_ids cimport *
from meshcore.conf.tables cimport QueueConf
from meshcore.observe.counters cimport stat_add
from meshcore.proxy.attempt cimport RESET_OVERFLOW
from meshcore.proxy.engine cimport cluster_unuse
from meshcore.proxy.failure cimport attempt_failed
from meshcore.proxy.objects cimport *
from meshcore.proxy.pool cimport pool_let_go, pool_request

cdef enum:
    LOOK_MS = 5                    # how often the breaker is looked at while somebody waits


cdef inline uint64_t now_ms(ClusterLocal *cluster) noexcept nogil:
    return clock_ms(&cluster.engine.loop.clock)


cdef inline void count(ClusterLocal *cluster, int stat) noexcept nogil:
    stat_add(cluster.engine.stats, cluster.conf.stats[stat], 1)


cdef void queue_init(ClusterLocal *cluster) noexcept nogil:
    timer_init(&cluster.queue_timer, on_look, cluster)


cdef void queue_fini(ClusterLocal *cluster) noexcept nogil:
    timer_cancel(&cluster.engine.loop.wheel, &cluster.queue_timer)


cdef bint overloaded(ClusterLocal *cluster, RequestQueue *queue) noexcept nogil:
    cdef const QueueConf *conf = cluster.conf.queue
    return conf.adaptive and queue.len > 0 and now_ms(cluster) - queue.busy_ms >= conf.interval_ms


cdef bint queue_wait(Pool *pool, Attempt *attempt) noexcept nogil:
    cdef ClusterLocal *cluster = pool.cluster
    cdef const QueueConf *conf = cluster.conf.queue
    cdef RequestQueue *queue = &cluster.queues[pool.priority]
    cdef uint64_t most = conf.target_ms if overloaded(cluster, queue) else conf.deadline_ms
    if queue.len >= conf.most:
        count(cluster, CLUSTER_RQ_QUEUE_OVERFLOW)
        return False
    if queue.len == 0:
        queue.busy_ms = now_ms(cluster)
    attempt.waits = True
    attempt.newer = NULL
    attempt.older = queue.newest
    if queue.newest != NULL:
        queue.newest.newer = attempt
    else:
        queue.oldest = attempt
    queue.newest = attempt
    queue.len += 1
    pool.live += 1                 # it must outlive the wait
    count(cluster, CLUSTER_RQ_QUEUED)
    timer_init(&attempt.wait, on_deadline, attempt)
    wheel_arm(&cluster.engine.loop.wheel, &attempt.wait, now_ms(cluster) + most)
    if not timer_armed(&cluster.queue_timer):
        wheel_arm(&cluster.engine.loop.wheel, &cluster.queue_timer, now_ms(cluster) + LOOK_MS)
    return True


cdef void take_out(Attempt *attempt) noexcept nogil:
    cdef Pool *pool = attempt.pool
    cdef RequestQueue *queue = &pool.cluster.queues[pool.priority]
    attempt.waits = False
    timer_cancel(&pool.cluster.engine.loop.wheel, &attempt.wait)
    if attempt.older != NULL:
        attempt.older.newer = attempt.newer
    else:
        queue.oldest = attempt.newer
    if attempt.newer != NULL:
        attempt.newer.older = attempt.older
    else:
        queue.newest = attempt.older
    queue.len -= 1


cdef void queue_leave(Attempt *attempt) noexcept nogil:
    cdef Pool *pool = attempt.pool
    take_out(attempt)
    pool.live -= 1
    pool_let_go(pool)


cdef void on_deadline(Timer *timer) noexcept nogil:
    cdef Attempt *attempt = <Attempt *>timer.owner
    cdef Pool *pool = attempt.pool
    take_out(attempt)
    count(pool.cluster, CLUSTER_RQ_QUEUE_TIMEOUT)
    count(pool.cluster, CLUSTER_RQ_ACTIVE_OVERFLOW)
    attempt_failed(attempt, RESET_OVERFLOW, span(b"", 0))
    pool.live -= 1
    pool_let_go(pool)


cdef void serve(ClusterLocal *cluster, RequestQueue *queue, int priority) noexcept nogil:
    # Only those that wait now: one may come straight back when another worker was faster.
    cdef uint64_t n = queue.len
    cdef Attempt *attempt
    cdef Pool *pool
    while n > 0 and queue.len > 0 and breaker_allows(&cluster.conf.breakers[priority], RESOURCE_REQUESTS):
        n -= 1
        attempt = queue.newest if overloaded(cluster, queue) else queue.oldest
        pool = attempt.pool
        take_out(attempt)
        pool_request(pool, attempt)
        pool.live -= 1
        pool_let_go(pool)


cdef void on_look(Timer *timer) noexcept nogil:
    cdef ClusterLocal *cluster = <ClusterLocal *>timer.owner
    cdef int priority
    cluster.users += 1             # the last stream may end meanwhile
    for priority in range(2):
        serve(cluster, &cluster.queues[priority], priority)
    if cluster.queues[0].len + cluster.queues[1].len > 0 and not timer_armed(timer):
        wheel_arm(&cluster.engine.loop.wheel, timer, now_ms(cluster) + LOOK_MS)
    cluster_unuse(cluster)


cdef void queue_wake(ClusterLocal *cluster) noexcept nogil:
    # Served in the next turn of the loop: what has just ended is still on the stack.
    if cluster.queues[0].len + cluster.queues[1].len > 0:
        wheel_arm(&cluster.engine.loop.wheel, &cluster.queue_timer, now_ms(cluster))
