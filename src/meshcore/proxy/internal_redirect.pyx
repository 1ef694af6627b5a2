"""Internal redirects, by Envoy's Filter::setupRedirect. See internal_redirect.pxd for the law."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from meshcore.base.arena cimport arena_take
from meshcore.base.buffer cimport Slice
from meshcore.base.clock cimport clock_ns
from meshcore.base.span cimport Span, span, span_equal, span_find, span_is, span_is_nocase
from meshcore.codec.head cimport *
from meshcore.codec.head_copy cimport head_copy
from meshcore.conf.stat_ids cimport *
from meshcore.io.transport cimport transport_is_tls
from meshcore.observe.counters cimport stat_inc
from meshcore.proxy.attempt cimport drop_attempt, give_up
from meshcore.proxy.chain cimport chain_request_data
from meshcore.proxy.charge cimport count
from meshcore.proxy.objects cimport *
from meshcore.proxy.reset_reply cimport join
from meshcore.proxy.router cimport router_request_complete
from meshcore.proxy.stream cimport stream_begin, stream_new, stream_request_head
from meshcore.proxy.stream_end cimport stream_end, stream_free
from meshcore.route.table cimport *

cdef enum:
    COLON = 58
    SLASH = 47
    QUESTION = 63
    HASH = 35


cdef bint listed(const InternalRedirect *policy, uint16_t status) noexcept nogil:
    cdef uint8_t i
    for i in range(policy.codes_len):
        if policy.codes[i] == status:
            return True
    return False


cdef bint is_http(Head *head) noexcept nogil:
    return span_is_nocase(head.scheme, b"http", 4)


cdef bint came_http(Stream *stream) noexcept nogil:
    # To Envoy the connection decides before a header does.
    return is_http(&stream.request) or stream.down == NULL or not transport_is_tls(stream.down.conn.transport)


cdef bint passed_by(Stream *stream, int stat) noexcept nogil:
    stat_inc(stream.engine.stats, stream.hcm.stats[stat])
    return False


cdef bint split(Span url, Head *target) noexcept nogil:
    # An absolute URL, without its fragment.
    cdef int64_t colon = span_find(url, COLON)
    cdef uint32_t at
    cdef uint32_t i
    if colon < 1 or colon + 3 >= url.len or url.at[colon + 1] != SLASH or url.at[colon + 2] != SLASH:
        return False
    target.scheme = span(url.at, colon)
    at = <uint32_t>colon + 3
    i = at
    while i < url.len and url.at[i] != SLASH and url.at[i] != QUESTION and url.at[i] != HASH:
        i += 1
    target.authority = span(url.at + at, i - at)
    at = i
    while i < url.len and url.at[i] != HASH:
        i += 1
    target.path = span(url.at + at, i - at)
    return target.authority.len > 0


cdef void copy_headers(Stream *stream, const InternalRedirect *policy, Head *target) noexcept nogil:
    # A header that the response lacks is taken away.
    cdef Header *header
    cdef uint16_t i
    for i in range(policy.headers_len):
        head_drop_name(target, policy.headers[i])
        header = head_find_name(&stream.response, policy.headers[i])
        while header != NULL:
            head_add(target, header_name(header), header_value(header), header.id)
            header = head_next(&stream.response, header)


cdef bint was_there(Stream *stream, Span source, Span name) noexcept nogil:
    cdef Hop *hop = stream.hops
    while hop != NULL:
        if span_equal(hop.source, source) and span_equal(hop.target, name):
            return True
        hop = hop.next
    return False


cdef bint is_allowed(const InternalRedirect *policy, Span name) noexcept nogil:
    cdef uint16_t i
    for i in range(policy.allowed_len):
        if span_equal(policy.allowed[i], name):
            return True
    return False


cdef bint predicates_hold(Stream *stream, const InternalRedirect *policy, Head *target, Span name) noexcept nogil:
    if policy.predicates & REDIRECT_ALLOW_LISTED and not is_allowed(policy, name):
        return False
    if policy.predicates & REDIRECT_PREVIOUS_ROUTES and was_there(stream, stream.http.route.name, name):
        return False
    return not (policy.predicates & REDIRECT_SAFE_CROSS_SCHEME and came_http(stream) and not is_http(target))


cdef bint aim(Stream *stream, const InternalRedirect *policy, Head *target) noexcept nogil:
    # Fills the head of the request to come; False: the response goes to the client, and why was counted.
    cdef Span location = head_value(&stream.response, H_LOCATION)
    cdef VirtualHost *host
    cdef Route *route
    if not head_copy(target, &stream.request, &stream.arena):
        return False
    if not split(location, target):
        return passed_by(stream, HCM_REDIRECT_BAD_LOCATION)
    if not policy.cross_scheme and came_http(stream) != is_http(target):
        return passed_by(stream, HCM_REDIRECT_UNSAFE_SCHEME)
    if not is_http(target) and not span_is_nocase(target.scheme, b"https", 5):
        return passed_by(stream, HCM_REDIRECT_BAD_LOCATION)
    if stream.hops_len >= policy.most:
        return passed_by(stream, HCM_REDIRECT_TOO_MANY)
    copy_headers(stream, policy, target)
    if target.path.len == 0 or target.path.at[0] == QUESTION:
        target.path = join(stream, span(b"/", 1), target.path, span(b"", 0), span(b"", 0))
    host = host_of(stream.routes.table, target)
    route = NULL if host == NULL else route_find(host, target, &stream.record, stream.random)
    if route == NULL:
        return passed_by(stream, HCM_REDIRECT_NO_ROUTE)
    if not predicates_hold(stream, policy, target, route.name):
        return passed_by(stream, HCM_REDIRECT_PREDICATE)
    head_set(target, H_ENVOY_ORIGINAL_URL, join(stream, span(b"http://", 7) if came_http(stream) else span(b"https://", 8),
                                                stream.request.authority, stream.request.path, span(b"", 0)))
    if stream.response.status == 303 and not span_is(target.method, b"GET", 3) and not span_is(target.method, b"HEAD", 4):
        target.method = span(b"GET", 3)        # RFC 9110, 15.4.4: what a 303 points to is fetched
        head_drop(target, H_CONTENT_LENGTH)
        head_drop(target, H_TRANSFER_ENCODING)
    if not remember(stream, route.name):
        return False
    # Envoy logs the request as it was changed, and its new route.
    stream.record.request = target
    stream.record.route_name = route.name
    if route.kind != ROUTE_FORWARD:
        stream.record.cluster = stream.record.cluster_stat_name = span(NULL, 0)
    return True


cdef bint remember(Stream *stream, Span target) noexcept nogil:
    cdef Hop *hop = <Hop *>arena_take(&stream.arena, sizeof(Hop))
    if hop == NULL:
        return False
    hop.source = stream.http.route.name
    hop.target = target
    hop.next = stream.hops
    stream.hops = hop
    return True


cdef bint take_hops(Stream *to, Stream *source) noexcept nogil:
    cdef Hop *hop = source.hops
    cdef Hop *copy
    cdef char *names
    while hop != NULL:
        copy = <Hop *>arena_take(&to.arena, sizeof(Hop))
        names = <char *>arena_take(&to.arena, hop.source.len + hop.target.len)
        if copy == NULL or names == NULL:
            return False
        memcpy(names, hop.source.at, hop.source.len)
        memcpy(names + hop.source.len, hop.target.at, hop.target.len)
        copy.source = span(names, hop.source.len)
        copy.target = span(names + hop.source.len, hop.target.len)
        copy.next = to.hops
        to.hops = copy
        hop = hop.next
    to.hops_len = source.hops_len + 1
    return True


cdef Stream *successor(Stream *stream, Head *target) noexcept nogil:
    # The stream of the new request, not yet the connection's.
    cdef Stream *next = stream_new(stream.down)
    if next == NULL:
        return NULL
    if not head_copy(&next.request, target, &next.arena) or not take_hops(next, stream):
        next.down = NULL
        stream_free(next)
        return NULL
    next.message = stream.message
    next.message.expect_continue = False
    next.bits = STREAM_REDIRECTED | (stream.bits & (STREAM_INTERNAL | STREAM_HTTP10))
    if not span_equal(target.method, stream.request.method):
        next.message.framing = 0
    next.record.bytes_received = stream.record.bytes_received      # Envoy counts a body once per pass
    return next


cdef void follow(Stream *stream, Stream *next) noexcept nogil:
    cdef Downstream *down = stream.down
    cdef Slice *slice
    cdef bint body = next.message.framing != 0 and stream.replay.len > 0
    if not body:
        next.message.framing = 0
    next.remote = stream.remote
    stream.down = NULL             # the connection goes on with the next stream
    stream_end(stream)
    down.ops.succeed(down, stream, next)
    stream_begin(next)
    next.record.downstream_remote = &next.remote
    next.record.stream_id = head_value(&next.request, H_X_REQUEST_ID)
    stream_request_head(next, not body)
    if not body:
        return
    slice = stream.replay.first    # freed with that stream, when all of this was sent
    while slice != NULL and next.bits & STREAM_ENDED == 0:
        next.record.bytes_received += slice.len
        if slice.next == NULL:
            next.bits |= STREAM_REQUEST_END
            next.record.request_end_ns = clock_ns(&next.engine.loop.clock)
        chain_request_data(next, span(slice.at, slice.len), slice.next == NULL)
        slice = slice.next
    if next.bits & STREAM_ENDED == 0:
        router_request_complete(next)


cdef bint internal_redirect(Stream *stream, Attempt *attempt, bint end) noexcept nogil:
    cdef const InternalRedirect *policy = stream.http.route.internal_redirect
    cdef uint32_t whole = STREAM_REQUEST_END | STREAM_REQUEST_PASSED
    cdef Stream *next = NULL
    cdef Head *target
    if not listed(policy, stream.response.status):
        return False
    target = <Head *>arena_take(&stream.arena, sizeof(Head))
    # A request that is not here whole cannot be sent again.
    if target != NULL and stream.down != NULL and head_has(&stream.response, H_LOCATION) and stream.bits & STREAM_UPGRADE == 0 and (
            stream.message.framing == 0 or (stream.bits & whole == whole and stream.bits & STREAM_REPLAY_LOST == 0)):
        if aim(stream, policy, target):
            next = successor(stream, target)
    if next == NULL:
        count(stream, CLUSTER_REDIRECT_FAILED, 1)
        return False
    count(stream, CLUSTER_REDIRECT_SUCCEEDED, 1)
    stream.record.response = &stream.response
    stream.record.status = stream.response.status
    stream.record.details = span(b"internal_redirect", 17)
    if end:
        drop_attempt(attempt)
    else:
        give_up(attempt)
    follow(stream, next)
    return True
