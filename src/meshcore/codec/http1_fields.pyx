"""HTTP/1 field lines: one pass that lowers names, identifies the known ones and reads the framing headers.

Doubtful lines are judged as Envoy 1.40 judges them, unless that would let two parsers disagree about where a message ends; see
docs/decisions/http1-strictness.md. Folded lines (RFC 9112, 5.2) are joined as the RFC allows: the line ends go, the blanks stay.
Any thread; owns nothing.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy, memset

from meshcore.base.span cimport Span, parse_u64, span, span_is, span_is_nocase, span_next_token, span_trim
from meshcore.codec.head cimport *
from meshcore.codec.http1 cimport *

cdef enum:
    NAME_MAX = 65535               # what Header.name_len holds
    LINE_EXTRA = 3                 # the colon and the line end
    UNDERSCORE = 95
    SLOTS = 512
    SLOT_SHIFT = 55                # the top nine bits of a hash
    WORDS = 6                      # eight bytes each: the longest known name has 40

cdef uint64_t ONES = <uint64_t>0x0101010101010101
cdef uint64_t HIGHS = <uint64_t>0x8080808080808080
cdef uint64_t MULTIPLIER = <uint64_t>0x9E3779B97F4A7C15

# The known names again, by a hash that falls out of lowering: head_identify would load every name a second time.
cdef uint8_t slots[SLOTS]          # open addressing: KnownHeader or 0
cdef uint64_t words[H_KNOWN][WORDS]        # padded with zeros
cdef uint16_t lengths[H_KNOWN]


cdef _fill_slots():
    cdef char name[WORDS * 8]
    cdef uint64_t slot
    cdef int id
    memset(slots, 0, sizeof(slots))
    memset(words, 0, sizeof(words))
    for id in range(1, H_KNOWN):
        lengths[id] = <uint16_t>head_name(<uint8_t>id).len
        assert lengths[id] <= (WORDS - 1) * 8
        memcpy(words[id], head_name(<uint8_t>id).at, lengths[id])
        memcpy(name, words[id], sizeof(name))
        slot = lower_name(name, name, lengths[id]) >> SLOT_SHIFT
        while slots[slot] != 0:
            slot = (slot + 1) & (SLOTS - 1)
        slots[slot] = <uint8_t>id


cdef inline bint same_words(const char *name, size_t n, const uint64_t *known) noexcept nogil:
    cdef uint64_t word
    while n > 8:
        memcpy(&word, name, 8)
        if word != known[0]:
            return False
        name += 8
        known += 1
        n -= 8
    memcpy(&word, name, 8)
    return ((word ^ known[0]) << (64 - 8 * n)) == 0


cdef inline uint8_t identify(const char *name, size_t n, uint64_t hash) noexcept nogil:
    cdef uint64_t slot = hash >> SLOT_SHIFT
    cdef uint8_t id = slots[slot]
    while id != H_OTHER and not (lengths[id] == n and same_words(name, n, words[id])):
        slot = (slot + 1) & (SLOTS - 1)
        id = slots[slot]
    return id


cdef inline uint64_t lower_word(uint64_t word) noexcept nogil:
    # The parser has let only ASCII through, so no sum carries from byte to byte.
    return word | (((word + (128 - 65) * ONES) & ~(word + (128 - 91) * ONES) & HIGHS) >> 2)


cdef inline uint64_t lower_name(const char *raw, char *name, size_t n) noexcept nogil:
    # From `raw` to `name`, eight bytes at a time; returns the hash. `raw` may be `name`, but loads from a copy just made would wait
    # for its stores.
    cdef uint64_t word
    cdef uint64_t rest
    cdef uint64_t hash = n
    while n >= 8:
        memcpy(&word, raw, 8)
        word = lower_word(word)
        memcpy(name, &word, 8)
        hash = (hash ^ word) * MULTIPLIER
        raw += 8
        name += 8
        n -= 8
    if n > 0:
        # The bytes after the name belong to the value: they are neither looked at nor changed.
        memcpy(&word, raw, 8)
        rest = word >> (8 * n) << (8 * n)
        word = lower_word(word ^ rest)
        hash = (hash ^ word) * MULTIPLIER
        word |= rest
        memcpy(name, &word, 8)
    return hash


_fill_slots()


cdef Span unfold(char *value, const char *end) noexcept nogil:
    # Takes the line ends out of a folded value, in place (RFC 9112, 5.2: each fold becomes blanks; they are there already).
    cdef char *to = value
    cdef const char *at = value
    while at < end:
        if at[0] != 13 and at[0] != 10:
            to[0] = at[0]
            to += 1
        at += 1
    return span_trim(span(value, to - value))


cdef inline void read_length(Http1Message *message, Http1Fields *fields, Span value) noexcept nogil:
    # RFC 9110, 8.6 would allow equal repetitions; Envoy refuses any second one, and so do we.
    if fields.has_length or not parse_u64(value, &message.length):
        fields.bad_length = True
        message.length = 0
    fields.has_length = True


cdef bint asks_trailers(Span list) noexcept nogil:
    # In small letters, as Envoy compares it.
    cdef Span token
    while span_next_token(&list, &token):
        if span_is(token, b"trailers", 8):
            return True
    return False


cdef int read_framing(Head *head, Http1Message *message, Http1Fields *fields, Span value, uint8_t id) noexcept nogil:
    if id == H_CONTENT_LENGTH:
        read_length(message, fields, value)
    elif id == H_TRANSFER_ENCODING:
        fields.bad_coding = fields.has_coding or not span_is_nocase(value, b"chunked", 7)
        fields.has_coding = True
    elif id == H_EXPECT:
        message.expect_continue = span_is_nocase(value, b"100-continue", 12)
    elif id == H_TE:
        message.wants_trailers = message.wants_trailers or asks_trailers(value)
    return HTTP1_NO_ERROR


cdef int http1_take_fields(phr_header *headers, size_t n, const char *block, const char *end, char *copy,
                           const Http1Options *options, int kind, Head *head, Http1Message *message,
                           Http1Fields *fields) noexcept nogil:
    cdef size_t i = 0
    cdef const char *raw
    cdef char *name
    cdef size_t name_len
    cdef Span value
    cdef uint8_t id
    cdef uint64_t hash
    # Names in responses are the upstream's own business, as in Envoy.
    cdef uint8_t underscores = UNDERSCORES_ALLOW if head.is_response else options.underscores
    if not head_reserve(head, <uint16_t>n):
        return HTTP1_HEAD_TOO_LARGE
    while i < n:
        raw = headers[i].name
        name = copy + (raw - block)
        name_len = headers[i].name_len
        value = span(copy + (headers[i].value - block), headers[i].value_len)
        i += 1
        if name_len > NAME_MAX:
            return HTTP1_HEAD_TOO_LARGE
        head.bytes += <uint32_t>(name_len + value.len + LINE_EXTRA)
        hash = lower_name(raw if raw + name_len + 8 <= end else name, name, name_len)
        if i < n and headers[i].name == NULL:
            while i < n and headers[i].name == NULL:
                i += 1
            value = unfold(<char *>value.at, copy + (headers[i - 1].value - block) + headers[i - 1].value_len)
        if underscores != UNDERSCORES_ALLOW and memchr(name, UNDERSCORE, name_len) != NULL:
            if underscores == UNDERSCORES_REJECT:
                return HTTP1_UNDERSCORE
            message.dropped_headers += 1
            continue
        fields.lines += 1
        id = identify(name, name_len, hash)
        if id != H_OTHER and kind != TRAILER_FIELDS:
            if id == H_HOST and kind == REQUEST_FIELDS:
                # RFC 9112, 3.2: a second Host line is an error, whatever it says.
                if fields.has_host:
                    return HTTP1_BAD_HOST
                fields.has_host = True
                if head.raw != NULL:
                    head.raw_host = head.raw + (raw - block)
                head.authority = value
                continue
            if id <= H_TE:
                read_framing(head, message, fields, value, id)
        head_put(head, name, <uint16_t>name_len, value, id)
    return HTTP1_NO_ERROR


cdef int http1_fields_error(Http1Fields *fields, const Http1Options *options, Head *head) noexcept nogil:
    cdef bint chunked = fields.has_coding and not fields.bad_coding
    if fields.bad_length and not chunked:
        return HTTP1_BAD_LENGTH
    if fields.lines > options.max_headers:
        return HTTP1_TOO_MANY_HEADERS
    if fields.has_coding:
        if fields.has_length and not options.allow_chunked_length:
            return HTTP1_LENGTH_AND_CHUNKED
        if fields.bad_coding:
            return HTTP1_BAD_TRANSFER_ENCODING
        if fields.bad_length:
            return HTTP1_BAD_LENGTH
        if fields.has_length:
            head_drop(head, H_CONTENT_LENGTH)
    return HTTP1_NO_ERROR
