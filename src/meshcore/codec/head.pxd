# Message head: the protocol-neutral request or response head that every codec fills and every filter, matcher and log line reads.
#
# Names are lower case. All bytes live in the arena the head was initialised with (a stream's). Headers keep their order; a removed
# one stays in place with `dropped` set, so indexes never move. Well-known names are found in O(1) through `first`, others by a scan.
# One thread at a time.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.arena cimport Arena
from meshcore.base.span cimport Span

cdef enum KnownHeader:
    H_OTHER                        # not in this table: compare the name
    H_HOST
    H_CONNECTION
    H_CONTENT_LENGTH
    H_TRANSFER_ENCODING
    H_UPGRADE
    H_EXPECT
    H_TE
    H_TRAILER
    H_KEEP_ALIVE
    H_PROXY_CONNECTION
    H_HTTP2_SETTINGS
    H_CONTENT_TYPE
    H_USER_AGENT
    H_ACCEPT
    H_COOKIE
    H_AUTHORIZATION
    H_REFERER
    H_DATE
    H_SERVER
    H_VIA
    H_LOCATION
    H_X_FORWARDED_FOR
    H_X_FORWARDED_PROTO
    H_X_FORWARDED_HOST
    H_X_FORWARDED_PORT
    H_X_FORWARDED_CLIENT_CERT
    H_X_REQUEST_ID
    H_X_CLIENT_TRACE_ID
    H_GRPC_STATUS
    H_GRPC_MESSAGE
    H_GRPC_TIMEOUT
    H_ENVOY_ATTEMPT_COUNT
    H_ENVOY_DECORATOR_OPERATION
    H_ENVOY_DEGRADED
    H_ENVOY_DOWNSTREAM_SERVICE_CLUSTER
    H_ENVOY_DOWNSTREAM_SERVICE_NODE
    H_ENVOY_EXPECTED_RQ_TIMEOUT_MS
    H_ENVOY_EXTERNAL_ADDRESS
    H_ENVOY_FORCE_TRACE
    H_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT
    H_ENVOY_INTERNAL
    H_ENVOY_IP_TAGS
    H_ENVOY_IS_TIMEOUT_RETRY
    H_ENVOY_MAX_RETRIES
    H_ENVOY_ORIGINAL_HOST
    H_ENVOY_ORIGINAL_PATH
    H_ENVOY_ORIGINAL_URL
    H_ENVOY_OVERLOADED
    H_ENVOY_RATELIMITED
    H_ENVOY_RETRIABLE_HEADER_NAMES
    H_ENVOY_RETRIABLE_STATUS_CODES
    H_ENVOY_RETRY_GRPC_ON
    H_ENVOY_RETRY_ON
    H_ENVOY_UPSTREAM_ALT_STAT_NAME
    H_ENVOY_UPSTREAM_CANARY
    H_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS
    H_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE
    H_ENVOY_UPSTREAM_RQ_TIMEOUT_MS
    H_ENVOY_UPSTREAM_SERVICE_TIME
    H_ENVOY_UPSTREAM_STREAM_DURATION_MS
    H_KNOWN                        # how many there are

cdef enum Version:
    HTTP_10
    HTTP_11
    HTTP_2
    HTTP_3

cdef struct Header:
    const char *name               # lower case
    const char *value
    uint32_t value_len
    uint16_t name_len
    uint8_t id                     # KnownHeader
    uint8_t dropped

cdef struct Head:
    Arena *arena
    Header *headers
    uint16_t len                   # used entries, dropped ones included
    uint16_t cap
    uint16_t live                  # entries not dropped
    uint8_t version                # Version it came with
    bint is_response
    uint16_t status                # responses; 0 for requests
    Span method                    # requests, as are the next three
    Span path                      # :path with the query
    Span authority                 # :authority (Host)
    Span scheme                    # :scheme
    Span protocol                  # :protocol, or what Upgrade asked for
    Span reason                    # HTTP/1 responses
    uint32_t bytes                 # field lines as they came: names, values, and ":" CR LF each
    uint32_t block_len             # preserve_case (codec/http1_case); the next ones too
    const char *block              # what the names that came point into
    char *raw                      # the same bytes in their own letter case; NULL: not kept
    const char *raw_host           # the name of the Host line in it
    bint proper_added              # names that did not come are written in proper case
    bint reason_kept               # the reason phrase goes on as it came
    uint16_t first[H_KNOWN]        # 1 + index of the first live header with that id; 0 = none

cdef void head_init(Head *head, Arena *arena, bint is_response) noexcept nogil
cdef uint8_t head_identify(const char *lower_name, size_t n) noexcept nogil            # KnownHeader
cdef Span head_name(uint8_t id) noexcept nogil                                         # the name of a known header

# Room for n more headers, so that head_put needs no check. False: no memory, or more than a head can hold.
cdef bint head_reserve(Head *head, uint16_t n) noexcept nogil

cdef inline void head_put(Head *head, const char *name, uint16_t name_len, Span value, uint8_t id) noexcept nogil:
    # head_add where room is reserved.
    cdef Header *header = &head.headers[head.len]
    head.len += 1
    head.live += 1
    header.name = name
    header.value = value.at
    header.value_len = value.len
    header.name_len = name_len
    header.id = id
    header.dropped = 0
    if id != H_OTHER and head.first[id] == 0:
        head.first[id] = head.len

# Adding keeps the bytes by reference: they must live as long as the arena (or be static). NULL/False: no memory.
cdef Header *head_add(Head *head, Span name, Span value, uint8_t id) noexcept nogil
cdef bint head_add_copy(Head *head, Span name, Span value) noexcept nogil              # copies both, lowers the name
cdef bint head_set(Head *head, uint8_t id, Span value) noexcept nogil                  # replaces all of that id by one (in place of the first)
cdef bint head_set_copy(Head *head, uint8_t id, Span value) noexcept nogil
cdef void head_drop_all(Head *head, uint8_t id) noexcept nogil
cdef void head_drop_name(Head *head, Span lower_name) noexcept nogil
cdef void head_drop_at(Head *head, uint16_t index) noexcept nogil
cdef Header *head_find_name(Head *head, Span lower_name) noexcept nogil                # first, or NULL
cdef Header *head_next(Head *head, Header *after) noexcept nogil                       # next with the same name, or NULL
cdef Span head_join(Head *head, Header *first) noexcept nogil                          # all values of that name with "," between (in the arena)
cdef bint head_append_value(Head *head, uint8_t id, Span value) noexcept nogil         # "old,value", or sets it

cdef inline void head_drop(Head *head, uint8_t id) noexcept nogil:
    # All of that id; nearly always there is none.
    if head.first[id] != 0:
        head_drop_all(head, id)

cdef inline Header *head_find(Head *head, uint8_t id) noexcept nogil:
    return &head.headers[head.first[id] - 1] if head.first[id] != 0 else NULL

cdef inline bint head_has(Head *head, uint8_t id) noexcept nogil:
    return head.first[id] != 0

cdef inline Span head_value(Head *head, uint8_t id) noexcept nogil:
    # The first value; an empty span when there is none.
    cdef Span s
    if head.first[id] == 0:
        s.at = NULL
        s.len = 0
    else:
        s.at = head.headers[head.first[id] - 1].value
        s.len = head.headers[head.first[id] - 1].value_len
    return s

cdef inline Span header_name(Header *header) noexcept nogil:
    cdef Span s
    s.at = header.name
    s.len = header.name_len
    return s

cdef inline Span header_value(Header *header) noexcept nogil:
    cdef Span s
    s.at = header.value
    s.len = header.value_len
    return s
