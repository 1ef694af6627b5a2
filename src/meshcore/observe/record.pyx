"""Texts of the facts in a Record: addresses and response flags. See record.pxd for the law.

Owns the names of the flags (once, in bit order) and the spelling of addresses; reads nothing but its arguments. Called by the
operators while a log line is written and by whoever shows an address to a person; any thread. Writers never go beyond ADDRESS_TEXT.
"""
from libc.string cimport memcpy

from meshcore.base.span cimport span, write_hex, write_u64

cdef extern from "<string.h>" nogil:
    size_t strnlen(const char *text, size_t most)

FLAGS = (
    ("LH", "FailedLocalHealthCheck"),
    ("UH", "NoHealthyUpstream"),
    ("UT", "UpstreamRequestTimeout"),
    ("LR", "LocalReset"),
    ("UR", "UpstreamRemoteReset"),
    ("UF", "UpstreamConnectionFailure"),
    ("UC", "UpstreamConnectionTermination"),
    ("UO", "UpstreamOverflow"),
    ("NR", "NoRouteFound"),
    ("DI", "DelayInjected"),
    ("FI", "FaultInjected"),
    ("RL", "RateLimited"),
    ("UAEX", "UnauthorizedExternalService"),
    ("RLSE", "RateLimitServiceError"),
    ("DC", "DownstreamConnectionTermination"),
    ("URX", "UpstreamRetryLimitExceeded"),
    ("SI", "StreamIdleTimeout"),
    ("IH", "InvalidEnvoyRequestHeaders"),
    ("DPE", "DownstreamProtocolError"),
    ("UMSDR", "UpstreamMaxStreamDurationReached"),
    ("RFCF", "ResponseFromCacheFilter"),
    ("NFCF", "NoFilterConfigFound"),
    ("DT", "DurationTimeout"),
    ("UPE", "UpstreamProtocolError"),
    ("NC", "NoClusterFound"),
    ("OM", "OverloadManagerTerminated"),
    ("DF", "DnsResolutionFailed"),
    ("DO", "DropOverload"),
    ("DR", "DownstreamRemoteReset"),
    ("UDO", "UnconditionalDropOverload"),
)

cdef Span short_names[64]
cdef Span long_names[64]
_keep = [(a.encode(), b.encode()) for a, b in FLAGS]      # the bytes that the two tables point into


cdef _fill():
    cdef int i
    assert 1 << (len(FLAGS) - 1) == FLAG_UDO
    for i in range(64):
        short_names[i] = span(b"", 0)
        long_names[i] = span(b"", 0)
    for i in range(len(FLAGS)):
        short_names[i] = span(_keep[i][0], len(_keep[i][0]))
        long_names[i] = span(_keep[i][1], len(_keep[i][1]))


_fill()


cdef inline int bit_index(uint64_t bit) noexcept nogil:
    cdef int i = 0
    while bit > 1:
        bit >>= 1
        i += 1
    return i


cdef Span flag_short(uint64_t bit) noexcept nogil:
    return short_names[bit_index(bit)]


cdef Span flag_long(uint64_t bit) noexcept nogil:
    return long_names[bit_index(bit)]


cdef size_t flags_write(uint64_t flags, bint names_long, char *out) noexcept nogil:
    cdef const Span *names = &short_names[0]
    cdef char *at = out
    cdef int i = 0
    if names_long:
        names = &long_names[0]
    if flags & FLAGS_IN_TURN:
        flags &= ~<uint64_t>FLAGS_IN_TURN
    elif flags & (FLAG_URX | FLAG_UO):
        # Envoy prints flags in the order in which they were raised; that there is no other try comes before the reason of a request's last one.
        i = bit_index(flags & (FLAG_URX | FLAG_UO))
        memcpy(at, names[i].at, names[i].len)
        at += names[i].len
        flags &= ~(<uint64_t>1 << i)
        i = 0
    while flags != 0:
        if flags & 1:
            if at != out:
                at[0] = b','
                at += 1
            memcpy(at, names[i].at, names[i].len)
            at += names[i].len
        flags >>= 1
        i += 1
    return at - out


cdef inline char *put_byte(char *at, uint8_t v) noexcept nogil:
    if v >= 100:
        at[0] = 48 + v // 100
        at[1] = 48 + v // 10 % 10
        at[2] = 48 + v % 10
        return at + 3
    if v >= 10:
        at[0] = 48 + v // 10
        at[1] = 48 + v % 10
        return at + 2
    at[0] = 48 + v
    return at + 1


cdef inline char *put_v4(char *at, const uint8_t *bytes) noexcept nogil:
    cdef int i
    for i in range(4):
        at = put_byte(at, bytes[i])
        at[0] = b'.'
        at += 1
    return at - 1


cdef char *put_v6(char *at, const uint8_t *bytes) noexcept nogil:
    # RFC 5952: lower case, no leading zeros, the first longest run of two or more zero groups is "::"; a mapped IPv4 address
    # ends in dotted form.
    cdef uint16_t groups[8]
    cdef int start = -1
    cdef int longest = 1
    cdef int run
    cdef int i
    cdef int end = 8
    for i in range(8):
        groups[i] = <uint16_t>((bytes[2 * i] << 8) | bytes[2 * i + 1])
    i = 0
    while i < 8:
        run = 0
        while i + run < 8 and groups[i + run] == 0:
            run += 1
        if run > longest:
            longest = run
            start = i
        i += run + 1
    if start == 0 and longest == 5 and groups[5] == 0xffff:
        end = 6
    i = 0
    while i < end:
        if i == start:
            at[0] = b':'
            at[1] = b':'
            at += 2
            i += longest
            continue
        at += write_hex(at, groups[i])
        i += 1
        if i < 8 and i != start:
            at[0] = b':'
            at += 1
    return put_v4(at, bytes + 12) if end == 6 else at


cdef size_t address_write(const IpAddress *address, char *out, bint with_port) noexcept nogil:
    cdef char *at = out
    cdef size_t n
    if address.family == 4:
        at = put_v4(at, address.bytes)
    elif address.family == 6:
        if with_port:
            at[0] = b'['
            at += 1
        at = put_v6(at, address.bytes)
        if with_port:
            at[0] = b']'
            at += 1
    elif address.family == 1 and address.path != NULL:
        n = strnlen(address.path, ADDRESS_TEXT)
        memcpy(at, address.path, n)
        return n
    else:
        return 0
    if with_port:
        at[0] = b':'
        at += 1
        at += write_u64(at, address.port)
    return at - out
