"""Hash weights and bounded load. See hash_weights.pxd for the law.

A host may have hash_balance_factor percent of the average load, by weight. Beyond that, hosts are tried in an order that the hash decides
(Mersenne Twister seeded with it, as Envoy does, so that a key overflows to the same hosts), and when all are full the least loaded wins.
"""
from libc.math cimport ceil
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, malloc, realloc

from meshcore.base.atomics cimport atomic_load
from meshcore.cluster.breaker cimport RESOURCE_REQUESTS
from meshcore.cluster.host cimport HOST_RQ_ACTIVE
from meshcore.cluster.host_set cimport HostList, Locality

cdef enum:
    TWISTER_WORDS = 624
    TWISTER_SHIFT = 397

cdef struct Twister:
    uint32_t state[TWISTER_WORDS]
    uint32_t at


# --- shares ---------------------------------------------------------------------------------------------------------


cdef void add_list(HashWeights *weights, const HostList *list, double share) noexcept nogil:
    cdef uint64_t sum = 0
    cdef double one
    cdef uint32_t i
    for i in range(list.len):
        sum += list.weights[i]
    for i in range(list.len):
        one = list.weights[i] * share / sum
        weights.entries[weights.len].host = list.hosts[i]
        weights.entries[weights.len].share = one
        weights.len += 1
        weights.least = min(weights.least, one)
        weights.most = max(weights.most, one)


cdef void add_localities(HashWeights *weights, const Priority *priority) noexcept nogil:
    cdef const Locality *locality
    cdef uint64_t sum = 0
    cdef uint32_t i
    for i in range(priority.localities_len):
        sum += priority.localities[i].weight
    for i in range(priority.localities_len):
        locality = &priority.localities[i]
        if locality.weight > 0:
            add_list(weights, &locality.hosts if priority.panic else &locality.healthy, <double>locality.weight / sum)


cdef HashWeights *hash_weights_new(const Priority *priority, bint locality_weighted) noexcept nogil:
    cdef HashWeights *weights = <HashWeights *>malloc(sizeof(HashWeights) + priority.hosts.len * sizeof(HashWeight))
    if weights == NULL:
        return NULL
    weights.len = 0
    weights.least = 1.0
    weights.most = 0.0
    if locality_weighted and priority.localities_len > 0:
        add_localities(weights, priority)
    else:
        add_list(weights, &priority.hosts if priority.panic else &priority.healthy, 1.0)
    return weights


cdef bint hash_weights_tables(HostSet *hosts, const LbConf *conf, size_t size, bint (*fill)(void *table, const LbConf *conf) noexcept nogil,
                              void (*free_table)(void *table) noexcept nogil) noexcept nogil:
    cdef HashWeights **table
    cdef uint32_t i
    hosts.free_table = free_table
    for i in range(hosts.priorities_len):
        table = <HashWeights **>calloc(1, size)
        if table == NULL:
            return False
        hosts.priorities[i].table = table
        table[0] = hash_weights_new(&hosts.priorities[i], conf.locality_weighted and not hosts.plain)
        if table[0] == NULL or (table[0].len > 0 and not fill(table, conf)):
            return False
    return True


cdef Span hash_weights_key(const Host *host, bint use_hostname) noexcept nogil:
    if host.hash_key.len > 0:
        return host.hash_key
    return host.hostname if use_hostname else host.text


# --- bounded load ---------------------------------------------------------------------------------------------------


cdef void twister_seed(Twister *twister, uint32_t seed) noexcept nogil:
    cdef uint32_t i
    twister.state[0] = seed
    for i in range(1, TWISTER_WORDS):
        twister.state[i] = 1812433253 * (twister.state[i - 1] ^ (twister.state[i - 1] >> 30)) + i
    twister.at = TWISTER_WORDS


cdef uint32_t twister_next(Twister *twister) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t y
    if twister.at == TWISTER_WORDS:
        for i in range(TWISTER_WORDS):
            y = (twister.state[i] & <uint32_t>0x80000000) | (twister.state[(i + 1) % TWISTER_WORDS] & <uint32_t>0x7fffffff)
            twister.state[i] = twister.state[(i + TWISTER_SHIFT) % TWISTER_WORDS] ^ (y >> 1) ^ (<uint32_t>0x9908b0df if y & 1 else 0)
        twister.at = 0
    y = twister.state[twister.at]
    twister.at += 1
    y ^= y >> 11
    y ^= (y << 7) & <uint32_t>0x9d2c5680
    y ^= (y << 15) & <uint32_t>0xefc60000
    return y ^ (y >> 18)


cdef uint32_t below(Twister *twister, uint32_t n) noexcept nogil:
    # Evenly in [0, n).
    cdef uint32_t x = n
    cdef uint64_t bucket = (<uint64_t>1 << 32) // n
    while x >= n:
        x = <uint32_t>(twister_next(twister) // bucket)
    return x


cdef int64_t cluster_active(const LbConf *conf) noexcept nogil:
    return atomic_load(&conf.breakers[0].used[RESOURCE_REQUESTS]) + atomic_load(&conf.breakers[1].used[RESOURCE_REQUESTS])


cdef double overload(const LbConf *conf, const HashWeight *entry, int64_t total) noexcept nogil:
    # Above 1: it has more than its share.
    cdef uint32_t all_slots = <uint32_t>(((total + 1) * conf.hash_balance_factor + 99) // 100)
    cdef uint32_t slots = <uint32_t>max(ceil(all_slots * entry.share), 1.0)
    return <double>atomic_load(&entry.host.stats[HOST_RQ_ACTIVE]) / slots


cdef Host *hash_weights_bound(Balancer *balancer, const HashWeights *weights, uint32_t index, uint64_t hash) noexcept nogil:
    cdef const LbConf *conf = balancer.conf
    cdef const HashWeight *entry = &weights.entries[index]
    cdef const HashWeight *other
    cdef int64_t total = cluster_active(conf)
    cdef double least = overload(conf, entry, total)
    cdef double load
    cdef uint32_t *order
    cdef uint32_t i
    cdef uint32_t j
    cdef uint32_t swapped
    cdef Twister twister
    cdef Host *best = entry.host
    if least <= 1.0:
        return best
    order = <uint32_t *>realloc(balancer.scratch, weights.len * sizeof(uint32_t))
    if order == NULL:
        return best
    balancer.scratch = order
    for i in range(weights.len):
        order[i] = i
    twister_seed(&twister, <uint32_t>hash)
    for i in range(weights.len):
        j = i + below(&twister, weights.len - i)
        swapped = order[i]
        order[i] = order[j]
        order[j] = swapped
        other = &weights.entries[order[i]]
        if other.host == entry.host:
            continue
        load = overload(conf, other, total)
        if load <= 1.0:
            return other.host
        if load < least:
            least = load
            best = other.host
    return best
