"""Domain index; see domain_index.pxd for the law.

Built on the main thread, read by every worker. Kinds share one table: the kind is the hash's seed, so `*foo` and `foo*` differ.
"""
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memset

from meshcore.base.arena cimport arena_take
from meshcore.base.hash cimport xxhash64
from meshcore.base.span cimport lower

cdef enum:
    NEAR_HOST = 512                # host names up to this need no malloc


cdef void add_len(uint32_t *lens, uint32_t *n, uint32_t value) noexcept nogil:
    # Keeps the list sorted, longest first, without repeats.
    cdef uint32_t at = 0
    cdef uint32_t i
    while at < n[0] and lens[at] > value:
        at += 1
    if at < n[0] and lens[at] == value:
        return
    i = n[0]
    while i > at:
        lens[i] = lens[i - 1]
        i -= 1
    lens[at] = value
    n[0] += 1


cdef bint domain_index_build(DomainIndex *index, Arena *arena, const Domain *domains, uint32_t n) noexcept nogil:
    cdef uint32_t cap = 8
    cdef uint32_t i, at
    cdef uint64_t h
    memset(index, 0, sizeof(DomainIndex))
    index.any_host = NO_HOST
    index.only_any = True
    while cap < n * 2:
        cap *= 2
    index.slots = <DomainSlot *>arena_take(arena, cap * sizeof(DomainSlot))
    index.suffix_lens = <uint32_t *>arena_take(arena, n * sizeof(uint32_t))
    index.prefix_lens = <uint32_t *>arena_take(arena, n * sizeof(uint32_t))
    if index.slots == NULL or index.suffix_lens == NULL or index.prefix_lens == NULL:
        return False
    memset(index.slots, 0, cap * sizeof(DomainSlot))
    index.mask = cap - 1
    for i in range(n):
        if domains[i].kind == DOMAIN_ANY:
            index.any_host = domains[i].host
            continue
        index.only_any = False
        if domains[i].kind == DOMAIN_SUFFIX:
            add_len(index.suffix_lens, &index.suffix_lens_len, domains[i].text.len)
        elif domains[i].kind == DOMAIN_PREFIX:
            add_len(index.prefix_lens, &index.prefix_lens_len, domains[i].text.len)
        h = xxhash64(domains[i].text.at, domains[i].text.len, domains[i].kind)
        at = <uint32_t>h & index.mask
        while index.slots[at].domain != NULL:
            at = (at + 1) & index.mask
        index.slots[at].hash = h
        index.slots[at].domain = &domains[i]
    return True


cdef uint32_t look_up(const DomainIndex *index, const char *text, uint32_t n, uint8_t kind) noexcept nogil:
    cdef uint64_t h = xxhash64(text, n, kind)
    cdef uint32_t at = <uint32_t>h & index.mask
    cdef const Domain *domain = index.slots[at].domain
    while domain != NULL:
        if index.slots[at].hash == h and domain.kind == kind and domain.text.len == n and memcmp(domain.text.at, text, n) == 0:
            return domain.host
        at = (at + 1) & index.mask
        domain = index.slots[at].domain
    return NO_HOST


cdef uint32_t find_lower(const DomainIndex *index, const char *host, uint32_t n) noexcept nogil:
    cdef uint32_t found = look_up(index, host, n, DOMAIN_EXACT)
    cdef uint32_t i, length
    if found != NO_HOST:
        return found
    # The asterisk stands for at least one character: *.foo.com is not .foo.com.
    for i in range(index.suffix_lens_len):
        length = index.suffix_lens[i]
        if length < n:
            found = look_up(index, host + (n - length), length, DOMAIN_SUFFIX)
            if found != NO_HOST:
                return found
    for i in range(index.prefix_lens_len):
        length = index.prefix_lens[i]
        if length < n:
            found = look_up(index, host, length, DOMAIN_PREFIX)
            if found != NO_HOST:
                return found
    return index.any_host


cdef uint32_t domain_index_find(const DomainIndex *index, Span host) noexcept nogil:
    cdef char near[NEAR_HOST]
    cdef char *text = near
    cdef uint32_t i, found
    if index.only_any or host.len == 0:
        return index.any_host
    if host.len > NEAR_HOST:
        # Longer than any DNS name: slow is good enough.
        text = <char *>malloc(host.len)
        if text == NULL:
            return index.any_host
    for i in range(host.len):
        text[i] = lower(host.at[i])
    found = find_lower(index, text, host.len)
    if text != near:
        free(text)
    return found
