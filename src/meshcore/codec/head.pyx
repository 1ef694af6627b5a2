"""Message head: an ordered list of headers with O(1) access to the well-known ones. See head.pxd for the law.

The names of the known headers are listed once, in NAMES, in the order of KnownHeader; a small perfect-enough hash over length and
three characters finds them while a codec parses. The table is filled when the module is imported and read-only afterwards.
"""
from libc.string cimport memcmp, memcpy, memset

from meshcore.base.arena cimport arena_copy, arena_take
from meshcore.base.span cimport lower, span, span_equal

cdef enum:
    FIRST_CAP = 32
    LAST_CAP = 32768               # the next doubling would not fit its counter
    NAME_MAX = 65535               # what Header.name_len holds
    TABLE = 512

NAMES = (
    "", "host", "connection", "content-length", "transfer-encoding", "upgrade", "expect", "te", "trailer", "keep-alive",
    "proxy-connection", "http2-settings", "content-type", "user-agent", "accept", "cookie", "authorization", "referer", "date",
    "server", "via", "location", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port",
    "x-forwarded-client-cert", "x-request-id", "x-client-trace-id", "grpc-status", "grpc-message", "grpc-timeout",
    "x-envoy-attempt-count", "x-envoy-decorator-operation", "x-envoy-degraded", "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node", "x-envoy-expected-rq-timeout-ms", "x-envoy-external-address", "x-envoy-force-trace",
    "x-envoy-hedge-on-per-try-timeout", "x-envoy-internal", "x-envoy-ip-tags", "x-envoy-is-timeout-retry", "x-envoy-max-retries",
    "x-envoy-original-host", "x-envoy-original-path", "x-envoy-original-url", "x-envoy-overloaded", "x-envoy-ratelimited",
    "x-envoy-retriable-header-names", "x-envoy-retriable-status-codes", "x-envoy-retry-grpc-on", "x-envoy-retry-on",
    "x-envoy-upstream-alt-stat-name", "x-envoy-upstream-canary", "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response", "x-envoy-upstream-rq-timeout-ms", "x-envoy-upstream-service-time",
    "x-envoy-upstream-stream-duration-ms",
)

cdef Span names[H_KNOWN]
cdef uint8_t table[TABLE]          # open addressing: KnownHeader or 0
_keep = [name.encode() for name in NAMES]      # the bytes that `names` points into


cdef inline uint32_t slot_of(const char *name, size_t n) noexcept nogil:
    cdef uint32_t h = <uint32_t>n * 131
    h += <uint32_t><uint8_t>name[0] * 7 + <uint32_t><uint8_t>name[n - 1] * 31
    h += <uint32_t><uint8_t>name[n >> 1] * 17 + <uint32_t><uint8_t>name[(n * 3) >> 2] * 97
    return (h ^ (h >> 7)) & (TABLE - 1)


cdef _fill_table():
    cdef uint32_t slot
    cdef int i
    assert len(NAMES) == H_KNOWN
    memset(table, 0, sizeof(table))
    for i in range(1, H_KNOWN):
        names[i] = span(_keep[i], len(_keep[i]))
        slot = slot_of(names[i].at, names[i].len)
        while table[slot] != 0:
            slot = (slot + 1) & (TABLE - 1)
        table[slot] = <uint8_t>i


_fill_table()


cdef uint8_t head_identify(const char *lower_name, size_t n) noexcept nogil:
    cdef uint32_t slot
    cdef uint8_t id
    if n == 0:
        return H_OTHER
    slot = slot_of(lower_name, n)
    while True:
        id = table[slot]
        if id == H_OTHER or (names[id].len == n and memcmp(names[id].at, lower_name, n) == 0):
            return id
        slot = (slot + 1) & (TABLE - 1)


cdef Span head_name(uint8_t id) noexcept nogil:
    return names[id]


# The library's memset, and not what the compiler makes of one of this size (`rep stos`, which takes three times as long to start).
cdef void *(*zero)(void *, int, size_t) noexcept nogil
zero = memset


cdef void head_init(Head *head, Arena *arena, bint is_response) noexcept nogil:
    zero(head, 0, sizeof(Head))
    head.arena = arena
    head.is_response = is_response
    head.version = HTTP_11


cdef bint head_reserve(Head *head, uint16_t n) noexcept nogil:
    cdef uint32_t needed = <uint32_t>head.len + n
    cdef uint16_t cap = FIRST_CAP
    cdef Header *headers
    if needed <= head.cap:
        return True
    if needed > LAST_CAP:
        return False
    while cap < needed or cap <= head.cap:
        cap *= 2
    headers = <Header *>arena_take(head.arena, cap * sizeof(Header))
    if headers == NULL:
        return False
    if head.len > 0:
        memcpy(headers, head.headers, head.len * sizeof(Header))
    head.headers = headers
    head.cap = cap
    return True


cdef Header *head_add(Head *head, Span name, Span value, uint8_t id) noexcept nogil:
    if name.len > NAME_MAX or not head_reserve(head, 1):
        return NULL
    head_put(head, name.at, <uint16_t>name.len, value, id)
    return &head.headers[head.len - 1]


cdef bint head_add_copy(Head *head, Span name, Span value) noexcept nogil:
    cdef char *copy = arena_copy(head.arena, name.at, name.len)
    cdef char *kept = arena_copy(head.arena, value.at, value.len)
    cdef uint32_t i
    if copy == NULL or kept == NULL:
        return False
    for i in range(name.len):
        copy[i] = lower(copy[i])
    return head_add(head, span(copy, name.len), span(kept, value.len), head_identify(copy, name.len)) != NULL


cdef void head_drop_at(Head *head, uint16_t index) noexcept nogil:
    cdef Header *header = &head.headers[index]
    cdef uint16_t i
    if header.dropped:
        return
    header.dropped = 1
    head.live -= 1
    if header.id != H_OTHER and head.first[header.id] == index + 1:
        head.first[header.id] = 0
        for i in range(index + 1, head.len):
            if head.headers[i].id == header.id and not head.headers[i].dropped:
                head.first[header.id] = i + 1
                return


cdef void head_drop_all(Head *head, uint8_t id) noexcept nogil:
    while head.first[id] != 0:
        head_drop_at(head, head.first[id] - 1)


cdef void head_drop_name(Head *head, Span lower_name) noexcept nogil:
    cdef uint8_t id = head_identify(lower_name.at, lower_name.len)
    cdef uint16_t i
    if id != H_OTHER:
        head_drop(head, id)
        return
    for i in range(head.len):
        if head.headers[i].id == H_OTHER and span_equal(header_name(&head.headers[i]), lower_name):
            head_drop_at(head, i)


cdef bint head_set(Head *head, uint8_t id, Span value) noexcept nogil:
    cdef uint16_t index = head.first[id]
    cdef uint16_t i
    if index == 0:
        return head_add(head, names[id], value, id) != NULL
    head.headers[index - 1].value = value.at
    head.headers[index - 1].value_len = value.len
    for i in range(index, head.len):
        if head.headers[i].id == id:
            head_drop_at(head, i)
    return True


cdef bint head_set_copy(Head *head, uint8_t id, Span value) noexcept nogil:
    cdef char *copy = arena_copy(head.arena, value.at, value.len)
    return copy != NULL and head_set(head, id, span(copy, value.len))


cdef Header *head_find_name(Head *head, Span lower_name) noexcept nogil:
    cdef uint8_t id = head_identify(lower_name.at, lower_name.len)
    cdef uint16_t i
    if id != H_OTHER:
        return head_find(head, id)
    for i in range(head.len):
        if head.headers[i].id == H_OTHER and not head.headers[i].dropped and \
                span_equal(header_name(&head.headers[i]), lower_name):
            return &head.headers[i]
    return NULL


cdef Header *head_next(Head *head, Header *after) noexcept nogil:
    cdef Header *header = after + 1
    cdef Header *end = head.headers + head.len
    while header < end:
        if not header.dropped and header.id == after.id and (
                header.id != H_OTHER or span_equal(header_name(header), header_name(after))):
            return header
        header += 1
    return NULL


cdef inline char *put(char *to, const char *at, size_t n) noexcept nogil:
    # An empty value may lie nowhere, and memcpy may not be asked to read from there.
    if n > 0:
        memcpy(to, at, n)
    return to + n


cdef Span head_join(Head *head, Header *first) noexcept nogil:
    cdef Header *header = head_next(head, first)
    cdef size_t total = first.value_len
    cdef char *text
    cdef char *at
    if header == NULL:
        return header_value(first)
    while header != NULL:
        total += 1 + header.value_len
        header = head_next(head, header)
    text = <char *>arena_take(head.arena, total)
    if text == NULL:
        return header_value(first)
    at = put(text, first.value, first.value_len)
    header = head_next(head, first)
    while header != NULL:
        at[0] = 44
        at = put(at + 1, header.value, header.value_len)
        header = head_next(head, header)
    return span(text, total)


cdef bint head_append_value(Head *head, uint8_t id, Span value) noexcept nogil:
    cdef Header *old = head_find(head, id)
    cdef char *text
    if old == NULL or old.value_len == 0:
        return head_set_copy(head, id, value)
    text = <char *>arena_take(head.arena, old.value_len + 1 + value.len)
    if text == NULL:
        return False
    put(text, old.value, old.value_len)[0] = 44
    put(text + old.value_len + 1, value.at, value.len)
    old.value = text
    old.value_len += 1 + value.len
    return True
