"""Hash policy: one function per kind of rule. See hash_policy.pxd for the law.

Rules are combined as Envoy does: the sum so far turns left by one bit, then the rule's own hash is xored in. All hashes are xxHash64.
"""
from libc.string cimport memcmp, memcpy

from meshcore.base.arena cimport arena_take
from meshcore.base.hash cimport xxhash64
from meshcore.base.span cimport span
from meshcore.codec.head cimport Header, head_find_name, head_next, header_value
from meshcore.observe.metadata cimport FilterStateItem, filter_state_find
from meshcore.observe.record cimport ADDRESS_TEXT, address_write
from meshcore.route.cookie cimport cookie_of
from meshcore.route.matcher cimport header_first_value, query_find
from meshcore.route.regex cimport regex_replace

cdef enum:
    VALUES_MAX = 32                # header lines of one name that are put in order; more are taken as they come
    HEX_LEN = 16


cdef inline uint64_t hash_of(Span text) noexcept nogil:
    return xxhash64(text.at, text.len, 0)


# --- headers --------------------------------------------------------------------------------------------------------


cdef bint before(Span a, Span b) noexcept nogil:
    cdef int order = memcmp(a.at, b.at, min(a.len, b.len))
    return order < 0 or (order == 0 and a.len < b.len)


cdef bint hash_header(const HashRule *rule, const HashSource *source, uint64_t *hash) noexcept nogil:
    # Several lines hash the same in any order.
    cdef Header *header = head_find_name(source.request, rule.name)
    cdef Span values[VALUES_MAX]
    cdef Span value
    cdef uint16_t n = 0
    cdef uint16_t i
    if header == NULL:
        # The pseudo-headers are no lines of the head.
        if not header_first_value(source.request, rule.name, &value):
            return False
        if rule.regex != NULL:
            value = regex_replace(rule.regex, value, rule.substitution, source.arena)
        hash[0] = hash_of(value)
        return True
    while header != NULL and n < VALUES_MAX:
        value = header_value(header)
        if rule.regex != NULL:
            value = regex_replace(rule.regex, value, rule.substitution, source.arena)
        i = n
        while i > 0 and before(value, values[i - 1]):
            values[i] = values[i - 1]
            i -= 1
        values[i] = value
        n += 1
        header = head_next(source.request, header)
    hash[0] = 0
    for i in range(n):
        hash[0] = xxhash64(values[i].at, values[i].len, hash[0])
    return True


# --- cookies --------------------------------------------------------------------------------------------------------


cdef void write_hex16(char *out, uint64_t v) noexcept nogil:
    cdef int i
    for i in range(HEX_LEN):
        out[HEX_LEN - 1 - i] = b"0123456789abcdef"[v & 15]
        v >>= 4


cdef bint make_cookie(const HashRule *rule, const HashSource *source, HashAnswer *out, uint64_t *hash) noexcept nogil:
    # Its value stands for the connection, so that requests that race on it get the same one.
    cdef char ends[2 * ADDRESS_TEXT]
    cdef size_t n = address_write(source.peer, ends, True)
    cdef size_t room = rule.name.len + 3 + HEX_LEN + rule.cookie_tail.len
    cdef SetCookie *cookie = <SetCookie *>arena_take(source.arena, sizeof(SetCookie) + room)
    cdef char *text
    if cookie == NULL:
        return False
    n += address_write(source.local, ends + n, True)
    text = <char *>(cookie + 1)
    memcpy(text, rule.name.at, rule.name.len)
    memcpy(text + rule.name.len, b'="', 2)
    write_hex16(text + rule.name.len + 2, xxhash64(ends, n, 0))
    hash[0] = xxhash64(text + rule.name.len + 2, HEX_LEN, 0)
    text[rule.name.len + 2 + HEX_LEN] = 34
    if rule.cookie_tail.len > 0:
        memcpy(text + rule.name.len + 3 + HEX_LEN, rule.cookie_tail.at, rule.cookie_tail.len)
    cookie.value = span(text, room)
    cookie.next = out.cookies
    out.cookies = cookie
    return True


cdef bint hash_cookie(const HashRule *rule, const HashSource *source, HashAnswer *out, uint64_t *hash) noexcept nogil:
    cdef Span value = cookie_of(source.request, rule.name)
    if value.len > 0:
        hash[0] = hash_of(value)
        return True
    return rule.makes_cookie and make_cookie(rule, source, out, hash)


# --- the rest -------------------------------------------------------------------------------------------------------


cdef bint hash_source_ip(const HashSource *source, uint64_t *hash) noexcept nogil:
    cdef char text[ADDRESS_TEXT]
    if source.remote == NULL or source.remote.family < 4:
        return False
    hash[0] = xxhash64(text, address_write(source.remote, text, False), 0)
    return True


cdef bint hash_query(const HashRule *rule, const HashSource *source, uint64_t *hash) noexcept nogil:
    cdef Span value
    if not query_find(source.request.path, rule.name, &value):
        return False
    hash[0] = hash_of(value)
    return True


cdef bint hash_state(const HashRule *rule, const HashSource *source, uint64_t *hash) noexcept nogil:
    cdef const FilterStateItem *item = filter_state_find(source.state, rule.name)
    if item == NULL:
        return False
    hash[0] = hash_of(item.text)
    return True


cdef bint run(const HashRule *rule, const HashSource *source, HashAnswer *out, uint64_t *hash) noexcept nogil:
    if rule.kind == HASH_HEADER:
        return hash_header(rule, source, hash)
    if rule.kind == HASH_COOKIE:
        return hash_cookie(rule, source, out, hash)
    if rule.kind == HASH_SOURCE_IP:
        return hash_source_ip(source, hash)
    if rule.kind == HASH_QUERY:
        return hash_query(rule, source, hash)
    return hash_state(rule, source, hash)


cdef void hash_policy_run(const HashPolicy *policy, const HashSource *source, HashAnswer *out) noexcept nogil:
    cdef uint64_t one = 0
    cdef uint16_t i
    out.hash = 0
    out.found = False
    out.cookies = NULL
    for i in range(policy.len):
        if run(&policy.rules[i], source, out, &one):
            out.hash = ((out.hash << 1) | (out.hash >> 63)) ^ one
            out.found = True
        if policy.rules[i].terminal and out.found:
            return
