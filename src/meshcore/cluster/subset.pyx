"""Subsets: lookup and fallbacks. See subset.pxd for the law.

A set of wanted pairs is the request's criteria and a word with one bit per pair, so that leaving keys out copies nothing.
"""
from libc.stdlib cimport calloc, free

from meshcore.base.span cimport span_equal
from meshcore.cluster.balancer cimport *
from meshcore.cluster.host_set cimport host_set_unref
from meshcore.observe.counters cimport stat_inc
from meshcore.route.criteria cimport Criteria, criteria_hash


# --- the index ------------------------------------------------------------------------------------------------------


cdef Subsets *subsets_new(uint32_t cap) noexcept nogil:
    cdef Subsets *subsets = <Subsets *>calloc(1, sizeof(Subsets))
    if subsets == NULL:
        return NULL
    subsets.cap = 8
    while subsets.cap < 2 * cap:
        subsets.cap *= 2
    subsets.table = <uint32_t *>calloc(subsets.cap, sizeof(uint32_t))
    subsets.entries = <Subset *>calloc(cap + 1, sizeof(Subset))
    if subsets.table == NULL or subsets.entries == NULL:
        subsets_free(subsets)
        return NULL
    return subsets


cdef void subsets_add(Subsets *subsets, Criterion *pairs, uint32_t n, HostSet *hosts, Host *single) noexcept nogil:
    cdef Subset *entry = &subsets.entries[subsets.len]
    cdef uint32_t at
    entry.pairs = pairs
    entry.len = n
    entry.hash = criteria_hash(pairs, n, <uint64_t>-1)
    entry.hosts = hosts
    entry.single = single
    subsets.len += 1
    at = <uint32_t>entry.hash & (subsets.cap - 1)
    while subsets.table[at] != 0:
        at = (at + 1) & (subsets.cap - 1)
    subsets.table[at] = subsets.len


cdef void subsets_free(void *freed) noexcept nogil:
    cdef Subsets *subsets = <Subsets *>freed
    cdef uint32_t i
    for i in range(subsets.len):
        free(subsets.entries[i].pairs)
        host_set_unref(subsets.entries[i].hosts)
    host_set_unref(subsets.any)
    host_set_unref(subsets.fallback)
    free(subsets.entries)
    free(subsets.table)
    free(subsets)


cdef bint is_entry(const Subset *entry, const Criteria *criteria, uint64_t wanted) noexcept nogil:
    cdef uint32_t at = 0
    cdef uint32_t i
    for i in range(criteria.len):
        if wanted >> i & 1 == 0:
            continue
        if at == entry.len or not span_equal(entry.pairs[at].key, criteria.pairs[i].key) or \
                not span_equal(entry.pairs[at].value, criteria.pairs[i].value):
            return False
        at += 1
    return at == entry.len


cdef const Subset *find(const Subsets *subsets, const Criteria *criteria, uint64_t wanted) noexcept nogil:
    cdef uint64_t hash = criteria_hash(criteria.pairs, criteria.len, wanted)
    cdef uint32_t at = <uint32_t>hash & (subsets.cap - 1)
    cdef const Subset *entry
    while subsets.table[at] != 0:
        entry = &subsets.entries[subsets.table[at] - 1]
        if entry.hash == hash and is_entry(entry, criteria, wanted):
            return entry
        at = (at + 1) & (subsets.cap - 1)
    return NULL


# --- sets of pairs --------------------------------------------------------------------------------------------------


cdef uint64_t every(const Criteria *criteria) noexcept nogil:
    return <uint64_t>-1 if criteria.len >= 64 else (<uint64_t>1 << criteria.len) - 1


cdef uint64_t only(const Criteria *criteria, uint64_t wanted, const Span *keys, uint32_t n, uint32_t *found) noexcept nogil:
    # The wanted pairs with one of these keys; both are sorted.
    cdef uint64_t kept = 0
    cdef uint32_t i
    cdef uint32_t k
    found[0] = 0
    for i in range(criteria.len):
        if wanted >> i & 1 == 0:
            continue
        for k in range(n):
            if span_equal(criteria.pairs[i].key, keys[k]):
                kept |= <uint64_t>1 << i
                found[0] += 1
                break
    return kept


cdef uint32_t length(uint64_t wanted) noexcept nogil:
    cdef uint32_t n = 0
    while wanted != 0:
        wanted &= wanted - 1
        n += 1
    return n


cdef uint64_t without_redundant(const SubsetConf *conf, const Criteria *criteria, uint64_t wanted) noexcept nogil:
    cdef const SubsetSelector *selector
    cdef uint64_t kept
    cdef uint32_t found = 0
    cdef uint32_t i
    for i in range(conf.selectors_len):
        selector = &conf.selectors[i]
        kept = only(criteria, wanted, selector.keys, selector.keys_len, &found)
        if found == selector.keys_len:
            return kept
    return wanted


cdef const SubsetSelector *selector_of(const SubsetConf *conf, const Criteria *criteria, uint64_t wanted) noexcept nogil:
    # The one with exactly these keys, if it has a fallback of its own.
    cdef const SubsetSelector *selector
    cdef uint32_t n = length(wanted)
    cdef uint32_t found = 0
    cdef uint32_t i
    if n == 0:
        return NULL
    for i in range(conf.selectors_len):
        selector = &conf.selectors[i]
        if selector.fallback != SUBSET_NOT_DEFINED and selector.keys_len == n:
            only(criteria, wanted, selector.keys, selector.keys_len, &found)
            if found == n:
                return selector
    return NULL


# --- choosing -------------------------------------------------------------------------------------------------------


cdef inline void count(Balancer *balancer, int stat) noexcept nogil:
    if balancer.stats != NULL:
        stat_inc(balancer.stats, balancer.conf.stats[stat])


cdef Host *from_set(Balancer *balancer, HostSet *hosts, Pick *pick) noexcept nogil:
    return NULL if hosts == NULL else balancer_pick_from(balancer, hosts, pick)


cdef Host *fall_back(Balancer *balancer, const Subsets *subsets, Pick *pick) noexcept nogil:
    cdef const SubsetConf *conf = <const SubsetConf *>balancer.conf.subsets
    cdef Host *host = NULL
    if conf.fallback == SUBSET_NO_FALLBACK:
        return NULL
    host = from_set(balancer, subsets.any if conf.fallback == SUBSET_ANY_ENDPOINT else subsets.fallback, pick)
    if host != NULL:
        count(balancer, LB_SUBSETS_FALLBACK)
        return host
    if conf.panic_any:
        host = from_set(balancer, subsets.any, pick)
        if host != NULL:
            count(balancer, LB_SUBSETS_FALLBACK_PANIC)
    return host


cdef Host *by_criteria(Balancer *balancer, const Criteria *criteria, uint64_t wanted, Pick *pick) noexcept nogil:
    cdef const SubsetConf *conf = <const SubsetConf *>balancer.conf.subsets
    cdef const Subsets *subsets = <const Subsets *>balancer.hosts.subsets
    cdef const SubsetSelector *selector
    cdef const Subset *entry
    cdef uint32_t found = 0
    while criteria != NULL:
        if conf.allow_redundant_keys:
            wanted = without_redundant(conf, criteria, wanted)
        entry = find(subsets, criteria, wanted) if wanted != 0 else NULL
        if entry != NULL:
            count(balancer, LB_SUBSETS_SELECTED)
            return entry.single if entry.single != NULL else balancer_pick_from(balancer, entry.hosts, pick)
        selector = selector_of(conf, criteria, wanted)
        if selector == NULL:
            break
        if selector.fallback == SUBSET_ANY_ENDPOINT:
            return from_set(balancer, subsets.any, pick)
        if selector.fallback == SUBSET_DEFAULT:
            return from_set(balancer, subsets.fallback, pick)
        if selector.fallback == SUBSET_NO_FALLBACK:
            return NULL
        wanted = only(criteria, wanted, selector.fallback_keys, selector.fallback_keys_len, &found)
    return fall_back(balancer, subsets, pick)


cdef Host *subset_pick(Balancer *balancer, Pick *pick) noexcept nogil:
    cdef const Criteria *criteria = pick.criteria
    cdef Host *host
    cdef uint32_t i
    if criteria == NULL:
        return fall_back(balancer, <const Subsets *>balancer.hosts.subsets, pick)
    if not (<const SubsetConf *>balancer.conf.subsets).fallback_list or criteria.plain == NULL:
        return by_criteria(balancer, criteria, every(criteria), pick)
    if criteria.alternatives_len == 0:
        return by_criteria(balancer, criteria.plain, every(criteria.plain), pick)
    for i in range(criteria.alternatives_len):
        host = by_criteria(balancer, &criteria.alternatives[i], every(&criteria.alternatives[i]), pick)
        if host != NULL:
            return host
    return NULL
