"""Maglev balancing (Eisenbud et al., NSDI 2016, listing 1).

Hosts fill the table in turn, each at the next free place of its own permutation; a host of weight w of the greatest takes w of the turns.
Hosts take their turns in the order of their keys, so that the table does not depend on the order of the configuration. Places hold the number
of a host in 16 bits where that is enough: the table of 65,537 places is 128 KiB.
"""
from libc.stdint cimport uint16_t, uint32_t
from libc.stdlib cimport calloc, free, malloc, qsort
from libc.string cimport memcmp, memset

from meshcore.base.hash cimport xxhash64
from meshcore.base.span cimport Span
from meshcore.cluster.balancer cimport Balancer, LbConf
from meshcore.cluster.hash_weights cimport HashWeights, hash_weights_bound, hash_weights_key, hash_weights_tables
from meshcore.cluster.host cimport Host
from meshcore.cluster.host_set cimport Priority

cdef enum:
    NARROW_MAX = 0xffff            # hosts that 16 bits can name, one value apart

cdef struct Turn:
    # A host that fills the table.
    Span key
    Host *host
    double share
    uint32_t entry                 # its place among the weights
    uint64_t at                    # next place of its permutation
    uint64_t skip
    double target
    uint64_t count

cdef struct Table:
    HashWeights *weights           # must be first
    uint64_t size
    uint64_t least
    uint64_t most
    uint16_t *narrow               # one of the two: the host of each place
    uint32_t *wide


cdef int by_key(const void *a, const void *b) noexcept nogil:
    cdef const Turn *x = <const Turn *>a
    cdef const Turn *y = <const Turn *>b
    cdef int order = memcmp(x.key.at, y.key.at, min(x.key.len, y.key.len))
    if order != 0:
        return order
    if x.key.len != y.key.len:
        return -1 if x.key.len < y.key.len else 1
    return -1 if x.entry < y.entry else 1


cdef inline bint is_free(const Table *table, uint64_t at) noexcept nogil:
    return table.narrow[at] == NARROW_MAX if table.narrow != NULL else table.wide[at] == <uint32_t>-1


cdef inline uint64_t step(const Table *table, const Turn *turn) noexcept nogil:
    cdef uint64_t at = turn.at + turn.skip
    return at - table.size if at >= table.size else at


cdef void fill(Table *table, Turn *turns) noexcept nogil:
    cdef uint64_t filled = 0
    cdef uint64_t round = 0
    cdef Turn *turn
    cdef uint32_t i
    while filled < table.size:
        round += 1
        for i in range(table.weights.len):
            turn = &turns[i]
            if filled == table.size:
                break
            if round * turn.share < turn.target:
                continue
            turn.target += table.weights.most
            while not is_free(table, turn.at):
                turn.at = step(table, turn)
            if table.narrow != NULL:
                table.narrow[turn.at] = <uint16_t>turn.entry
            else:
                table.wide[turn.at] = turn.entry
            turn.at = step(table, turn)
            turn.count += 1
            filled += 1
    table.least = table.size
    for i in range(table.weights.len):
        table.least = min(table.least, turns[i].count)
        table.most = max(table.most, turns[i].count)


cdef bint build(void *built, const LbConf *conf) noexcept nogil:
    cdef Table *table = <Table *>built
    cdef HashWeights *weights = table.weights
    cdef Turn *turns = <Turn *>calloc(weights.len, sizeof(Turn))
    cdef uint32_t i
    table.size = conf.table_size
    if weights.len < NARROW_MAX:
        table.narrow = <uint16_t *>malloc(table.size * sizeof(uint16_t))
    else:
        table.wide = <uint32_t *>malloc(table.size * sizeof(uint32_t))
    if turns == NULL or (table.narrow == NULL and table.wide == NULL):
        free(turns)
        return False
    if table.narrow != NULL:
        memset(table.narrow, 0xff, table.size * sizeof(uint16_t))
    else:
        memset(table.wide, 0xff, table.size * sizeof(uint32_t))
    for i in range(weights.len):
        turns[i].key = hash_weights_key(weights.entries[i].host, conf.use_hostname)
        turns[i].host = weights.entries[i].host
        turns[i].share = weights.entries[i].share
        turns[i].entry = i
        turns[i].at = xxhash64(turns[i].key.at, turns[i].key.len, 0) % table.size
        turns[i].skip = xxhash64(turns[i].key.at, turns[i].key.len, 1) % (table.size - 1) + 1
    qsort(turns, weights.len, sizeof(Turn), by_key)
    fill(table, turns)
    free(turns)
    return True


cdef void free_table(void *freed) noexcept nogil:
    cdef Table *table = <Table *>freed
    free(table.weights)
    free(table.narrow)
    free(table.wide)
    free(table)


cdef bint prepare(HostSet *hosts, const LbConf *conf) noexcept nogil:
    return hash_weights_tables(hosts, conf, sizeof(Table), build, free_table)


cdef Host *choose_from(Balancer *balancer, const Priority *priority, uint64_t hash, uint32_t attempt) noexcept nogil:
    cdef const Table *table = <const Table *>priority.table
    cdef uint64_t moved = hash
    cdef uint32_t entry
    if table.size == 0:
        return NULL
    if attempt > 0:
        moved ^= <uint64_t>0 - attempt         # far away, so that refusals do not all end at the same host
    if table.narrow != NULL:
        entry = table.narrow[moved % table.size]
    else:
        entry = table.wide[moved % table.size]
    if balancer.conf.hash_balance_factor:
        return hash_weights_bound(balancer, table.weights, entry, hash)
    return table.weights.entries[entry].host


cdef BalancerOps ops
ops.choose_from = choose_from
ops.prepare = prepare


cdef const BalancerOps *lb_maglev_ops() noexcept nogil:
    return &ops


cdef void lb_maglev_sizes(const HostSet *hosts, uint64_t *least, uint64_t *most) noexcept nogil:
    # Of the last priority with hosts, as Envoy's gauges, which each table overwrites.
    cdef const Table *table
    cdef uint32_t i
    least[0] = most[0] = 0
    for i in range(hosts.priorities_len):
        table = <const Table *>hosts.priorities[i].table
        if table != NULL and table.size > 0:
            least[0] = table.least
            most[0] = table.most
