"""Rate limit rules; see rate_limit.pxd for the law."""
from libc.stdint cimport uint32_t
from libc.string cimport memset

from meshcore.base.arena cimport arena_take
from meshcore.base.hash cimport xxhash64
from meshcore.base.span cimport span, write_u64
from meshcore.observe.metadata cimport META_TEXT, MetaValue, metadata_find
from meshcore.observe.record cimport ADDRESS_TEXT, IpAddress, address_write
from meshcore.route.matcher cimport header_nth_value, headers_match_all, queries_match_all, query_find


cdef uint64_t rate_hash(uint64_t hash, Span key, Span value) noexcept nogil:
    return xxhash64(value.at, value.len, xxhash64(key.at, key.len, hash))


cdef Span address_text(const IpAddress *address, Arena *arena, int bits) noexcept nogil:
    # Without a port; behind `bits` >= 0 with the rest set to zero, and the length after a slash.
    cdef IpAddress masked
    cdef char *text
    cdef size_t n
    cdef int i
    if address == NULL or (address.family != 4 and address.family != 6):
        return span(NULL, 0)
    text = <char *>arena_take(arena, ADDRESS_TEXT + 4)
    if text == NULL:
        return span(NULL, 0)
    masked = address[0]
    if bits < 0:
        return span(text, address_write(&masked, text, False))
    for i in range(4 if masked.family == 4 else 16):
        if 8 * i >= bits:
            masked.bytes[i] = 0
        elif 8 * i + 8 > bits:
            masked.bytes[i] &= <uint8_t>(0xff << (8 * i + 8 - bits))
    n = address_write(&masked, text, False)
    text[n] = 47
    return span(text, n + 1 + write_u64(text + n + 1, <uint64_t>bits))


cdef inline int hex_value(char c) noexcept nogil:
    if c >= 48 and c <= 57:
        return c - 48
    c |= 32
    return c - 87 if c >= 97 and c <= 102 else -1


cdef Span decoded(Span text, Arena *arena) noexcept nogil:
    # %XX becomes its byte; what is no such thing stays.
    cdef char *out = <char *>arena_take(arena, text.len)
    cdef uint32_t i = 0
    cdef uint32_t n = 0
    if out == NULL:
        return text
    while i < text.len:
        if text.at[i] == 37 and i + 2 < text.len and hex_value(text.at[i + 1]) >= 0 and hex_value(text.at[i + 2]) >= 0:
            out[n] = <char>(hex_value(text.at[i + 1]) * 16 + hex_value(text.at[i + 2]))
            i += 3
        else:
            out[n] = text.at[i]
            i += 1
        n += 1
    return span(out, n)


cdef bint metadata_text(const RateStep *step, Record *record, Span *out) noexcept nogil:
    cdef const MetaValue *value = metadata_find(&record.metadata, step.name, step.path, step.path_len)
    out[0] = step.value
    if value != NULL and value.kind == META_TEXT and value.text.len > 0:
        out[0] = value.text
    return out.len > 0


cdef bint evaluate(const RateStep *step, Head *request, Record *record, Arena *arena, Span *out) noexcept nogil:
    # False: there is no value.
    if step.action == RATE_LITERAL:
        out[0] = step.value
        return True
    if step.action == RATE_CLUSTER:
        out[0] = record.cluster
        return True
    if step.action == RATE_METHOD:
        out[0] = request.method
        return True
    if step.action == RATE_HEADER:
        return header_nth_value(step.headers, request, 0, out)
    if step.action == RATE_QUERY:
        if not query_find(request.path, step.name, out):
            return False
        out[0] = decoded(out[0], arena)
        return True
    if step.action == RATE_METADATA:
        return metadata_text(step, record, out)
    if step.action == RATE_ADDRESS or step.action == RATE_MASKED_ADDRESS:
        out[0] = address_text(record.downstream_remote, arena, bits_of(step, record))
        return out.len > 0
    out[0] = step.value
    if step.action == RATE_HEADERS_MATCH:
        return headers_match_all(step.headers, step.matchers_len, request) == step.expect
    return queries_match_all(step.queries, step.matchers_len, request.path) == step.expect


cdef inline int bits_of(const RateStep *step, Record *record) noexcept nogil:
    if step.action == RATE_ADDRESS or record.downstream_remote == NULL:
        return -1
    return step.bits4 if record.downstream_remote.family == 4 else step.bits6


cdef bint rate_describe(const RateRule *rule, Head *request, Record *record, Arena *arena, RateDescriptor *out) noexcept nogil:
    cdef const RateStep *step
    cdef Span value
    cdef uint16_t i
    memset(out, 0, sizeof(RateDescriptor))
    out.hits = rule.hits
    out.hits_told = rule.hits_told
    out.entries = <RateEntry *>arena_take(arena, sizeof(RateEntry) * rule.steps_len)
    if out.entries == NULL:
        return False
    for i in range(rule.steps_len):
        step = &rule.steps[i]
        if not evaluate(step, request, record, arena, &value):
            if step.skip_if_absent:
                continue
            return False
        out.entries[out.len].key = step.key
        out.entries[out.len].value = value
        out.hash = rate_hash(out.hash, step.key, value)
        out.len += 1
    return out.len > 0
