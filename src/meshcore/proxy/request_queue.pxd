# Request queue: where attempts wait that found the breaker of requests full, instead of an instant 503. Off unless its cluster has one.
#
# One queue per worker, cluster and priority. First come, first served; with `adaptive`, while it has not been empty for an interval, the newest
# goes first and may wait for the target time only (adaptive LIFO with CoDel, as in "Fail at Scale", ACM Queue 13-8). pool.pyx lets an attempt
# wait, drop_attempt wakes the queue, the breaker is also looked at every few milliseconds, because another worker may have made room. Worker
# thread. An attempt leaves by being placed again, by its deadline, or with its stream.
from meshcore.proxy.objects cimport Attempt, ClusterLocal, Pool

cdef void queue_init(ClusterLocal *cluster) noexcept nogil
cdef void queue_fini(ClusterLocal *cluster) noexcept nogil                    # it is empty by then: streams keep their cluster
cdef bint queue_wait(Pool *pool, Attempt *attempt) noexcept nogil             # False: the queue is full
cdef void queue_leave(Attempt *attempt) noexcept nogil                        # its stream gives it up
cdef void queue_wake(ClusterLocal *cluster) noexcept nogil                    # a request has ended
