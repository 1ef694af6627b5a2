"""Round robin balancing.

Equal weights: a counter that starts at a random place, so that workers do not all begin with the same host. Different weights: an
earliest-deadline-first heap (Envoy's EdfScheduler): a host's next deadline lies 1/weight after its last one, ties go to the one that
was queued first. A pick is O(log hosts).
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from meshcore.cluster.balancer cimport Balancer, BalancerOps, balancer_hosts
from meshcore.cluster.host cimport Host

cdef struct Entry:
    double deadline
    uint64_t order                 # breaks ties: first queued, first served
    uint32_t host                  # index among the eligible hosts

cdef struct Heap:
    uint64_t order
    uint32_t len
    Entry entries[1]               # len of them


cdef inline bint before(Entry *a, Entry *b) noexcept nogil:
    return a.deadline < b.deadline or (a.deadline == b.deadline and a.order < b.order)


cdef void sift_down(Heap *heap, uint32_t at) noexcept nogil:
    cdef uint32_t child
    cdef Entry moved = heap.entries[at]
    while True:
        child = 2 * at + 1
        if child >= heap.len:
            break
        if child + 1 < heap.len and before(&heap.entries[child + 1], &heap.entries[child]):
            child += 1
        if not before(&heap.entries[child], &moved):
            break
        heap.entries[at] = heap.entries[child]
        at = child
    heap.entries[at] = moved


cdef void fini(Balancer *balancer) noexcept nogil:
    free(balancer.state)
    balancer.state = NULL


cdef void reset(Balancer *balancer) noexcept nogil:
    cdef uint32_t n
    cdef uint32_t i
    cdef uint32_t *weights
    cdef Heap *heap
    fini(balancer)
    if balancer.hosts == NULL or not balancer.hosts.weighted:
        return
    balancer_hosts(balancer, &n, &weights)
    heap = <Heap *>malloc(sizeof(Heap) + n * sizeof(Entry))
    if heap == NULL:
        return                     # plain order is a worse share, not an outage
    heap.len = n
    heap.order = n
    for i in range(n):
        heap.entries[i].deadline = 1.0 / weights[i]
        heap.entries[i].order = i
        heap.entries[i].host = i
    for i in range(n // 2, 0, -1):
        sift_down(heap, i - 1)
    balancer.state = heap


cdef Host *pick(Balancer *balancer, uint64_t hash) noexcept nogil:
    cdef uint32_t n
    cdef uint32_t *weights
    cdef Host **hosts
    cdef Heap *heap = <Heap *>balancer.state
    cdef Entry *top
    cdef Host *host
    if balancer.hosts == NULL:
        return NULL
    hosts = balancer_hosts(balancer, &n, &weights)
    if n == 0:
        return NULL
    if heap != NULL and heap.len == n:
        top = &heap.entries[0]
        host = hosts[top.host]
        top.deadline += 1.0 / weights[top.host]
        top.order = heap.order
        heap.order += 1
        sift_down(heap, 0)
        return host
    host = hosts[balancer.index % n]
    balancer.index += 1
    return host


cdef BalancerOps ops
ops.reset = reset
ops.pick = pick
ops.fini = fini


cdef const BalancerOps *lb_round_robin_ops() noexcept nogil:
    return &ops
