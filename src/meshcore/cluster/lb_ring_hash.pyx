"""Ring hash balancing.

Every host has points on the ring in proportion to its weight: the hashes of its key followed by "_0", "_1" and so on. The point that follows
a request's hash decides. The ring is scaled so that the host of least weight gets a whole number of points and the whole has at least
minimum_ring_size, at most maximum_ring_size points. Points are found through an index by their upper bits, so a pick costs the same
for ten hosts and for a hundred thousand.
"""
from libc.math cimport ceil
from libc.stdint cimport uint32_t
from libc.stdlib cimport free, malloc, qsort, realloc
from libc.string cimport memcpy

from meshcore.base.hash cimport MURMUR_SEED, murmurhash2, xxhash64
from meshcore.base.span cimport Span, write_u64
from meshcore.cluster.balancer cimport Balancer, LbConf
from meshcore.cluster.hash_weights cimport HashWeights, hash_weights_bound, hash_weights_key, hash_weights_tables
from meshcore.cluster.host cimport Host
from meshcore.cluster.host_set cimport Priority

cdef enum:
    POINT_TEXT = 24                # "_" and a number

cdef struct Point:
    uint64_t hash
    uint32_t entry                 # whose it is, among the weights

cdef struct Ring:
    HashWeights *weights           # must be first
    Point *points                  # by hash
    uint32_t len
    uint64_t size                  # as its gauge says it
    uint64_t least
    uint64_t most
    uint32_t *first                # by the upper bits of a hash: the first point that is not below them
    uint32_t shift                 # 64 minus how many bits


cdef int by_hash(const void *a, const void *b) noexcept nogil:
    cdef uint64_t x = (<const Point *>a).hash
    cdef uint64_t y = (<const Point *>b).hash
    return -1 if x < y else x > y


cdef bint reserve(Ring *ring, uint64_t *cap, uint64_t wanted) noexcept nogil:
    cdef Point *grown
    if wanted <= cap[0]:
        return True
    grown = <Point *>realloc(ring.points, 2 * wanted * sizeof(Point))
    if grown == NULL:
        return False
    ring.points = grown
    cap[0] = 2 * wanted
    return True


cdef bint add_points(Ring *ring, uint64_t *cap, uint32_t entry, uint64_t n, const LbConf *conf) noexcept nogil:
    cdef Span key = hash_weights_key(ring.weights.entries[entry].host, conf.use_hostname)
    cdef char *text = <char *>malloc(key.len + POINT_TEXT)
    cdef size_t len
    cdef uint64_t i
    if text == NULL or not reserve(ring, cap, ring.len + n):
        free(text)
        return False
    memcpy(text, key.at, key.len)
    text[key.len] = 95             # _
    for i in range(n):
        len = key.len + 1 + write_u64(text + key.len + 1, i)
        ring.points[ring.len].hash = murmurhash2(text, len, MURMUR_SEED) if conf.murmur else xxhash64(text, len, 0)
        ring.points[ring.len].entry = entry
        ring.len += 1
    free(text)
    return True


cdef bint index_points(Ring *ring) noexcept nogil:
    cdef uint32_t bits = 1
    cdef uint32_t at = 0
    cdef uint64_t bucket
    while bits < 31 and <uint32_t>1 << bits < ring.len:
        bits += 1
    ring.shift = 64 - bits
    ring.first = <uint32_t *>malloc((<size_t>1 << bits) * sizeof(uint32_t))
    if ring.first == NULL:
        return False
    for bucket in range(<uint64_t>1 << bits):
        while at < ring.len and ring.points[at].hash >> ring.shift < bucket:
            at += 1
        ring.first[bucket] = at
    return True


cdef bint fill(void *filled, const LbConf *conf) noexcept nogil:
    # Points per host are no whole numbers: running sums keep the whole right.
    cdef Ring *ring = <Ring *>filled
    cdef double scale = min(ceil(ring.weights.least * conf.min_ring) / ring.weights.least, <double>conf.max_ring)
    cdef double placed = 0
    cdef double target = 0
    cdef uint64_t cap = 0
    cdef uint64_t n
    cdef uint32_t i
    ring.size = <uint64_t>ceil(scale)
    ring.least = ring.size
    for i in range(ring.weights.len):
        target += scale * ring.weights.entries[i].share
        n = 0
        while placed < target:
            placed += 1
            n += 1
        if not add_points(ring, &cap, i, n, conf):
            return False
        ring.least = min(ring.least, n)
        ring.most = max(ring.most, n)
    qsort(ring.points, ring.len, sizeof(Point), by_hash)
    return index_points(ring)


cdef void free_ring(void *table) noexcept nogil:
    cdef Ring *ring = <Ring *>table
    free(ring.weights)
    free(ring.points)
    free(ring.first)
    free(ring)


cdef bint prepare(HostSet *hosts, const LbConf *conf) noexcept nogil:
    return hash_weights_tables(hosts, conf, sizeof(Ring), fill, free_ring)


cdef Host *choose_from(Balancer *balancer, const Priority *priority, uint64_t hash, uint32_t attempt) noexcept nogil:
    cdef const Ring *ring = <const Ring *>priority.table
    cdef uint32_t at
    if ring.len == 0:
        return NULL
    at = ring.first[hash >> ring.shift]
    while at < ring.len and ring.points[at].hash < hash:
        at += 1
    if at == ring.len:
        at = 0
    if attempt > 0:
        at = (at + attempt) % ring.len         # as if the refused host had no point here
    if balancer.conf.hash_balance_factor:
        return hash_weights_bound(balancer, ring.weights, ring.points[at].entry, hash)
    return ring.weights.entries[ring.points[at].entry].host


cdef BalancerOps ops
ops.choose_from = choose_from
ops.prepare = prepare


cdef const BalancerOps *lb_ring_hash_ops() noexcept nogil:
    return &ops


cdef void lb_ring_hash_sizes(const HostSet *hosts, uint64_t *size, uint64_t *least, uint64_t *most) noexcept nogil:
    # Of the last priority with hosts, as Envoy's gauges, which each ring overwrites.
    cdef const Ring *ring
    cdef uint32_t i
    size[0] = least[0] = most[0] = 0
    for i in range(hosts.priorities_len):
        ring = <const Ring *>hosts.priorities[i].table
        if ring != NULL and ring.len > 0:
            size[0] = ring.size
            least[0] = ring.least
            most[0] = ring.most
