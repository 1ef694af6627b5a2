"""Path rewriting and redirect locations; see rewrite.pxd for the law.

Runs on a worker, once per request whose route asks for it. Everything is computed from spans into one allocation.
"""
from libc.string cimport memchr, memcpy

from meshcore.base.arena cimport arena_take
from meshcore.base.span cimport span, span_equal, span_is, write_u64
from meshcore.codec.head cimport H_X_FORWARDED_PROTO, head_value
from meshcore.route.regex cimport regex_replace
from meshcore.route.table cimport PATH_CONNECT, PATH_REGEX


cdef Span path_alone(Span path) noexcept nogil:
    cdef uint32_t i
    for i in range(path.len):
        if path.at[i] == 63 or path.at[i] == 35:
            path.len = i
            return path
    return path


cdef inline Span query_of(Span path) noexcept nogil:
    # From the question mark on; empty without one.
    cdef const char *at = <const char *>memchr(path.at, 63, path.len)
    if at == NULL:
        return span(path.at + path.len, 0)
    return span(at, <size_t>(path.at + path.len - at))


cdef Span joined(const Span *parts, int n, Arena *arena) noexcept nogil:
    cdef size_t total = 0
    cdef char *text
    cdef char *at
    cdef int i
    for i in range(n):
        total += parts[i].len
    text = <char *>arena_take(arena, total + 1)
    if text == NULL:
        return span(NULL, 0)
    at = text
    for i in range(n):
        memcpy(at, parts[i].at, parts[i].len)
        at += parts[i].len
    return span(text, total)


cdef Span rewrite_path(const Route *route, Span path, Arena *arena) noexcept nogil:
    cdef Span parts[2]
    cdef Span alone = path_alone(path)
    cdef uint32_t cut = alone.len
    if route.rewrite.regex != NULL:
        parts[0] = regex_replace(route.rewrite.regex, alone, route.rewrite.substitution, arena)
        if parts[0].at == NULL:
            return parts[0]
        if parts[0].len == 0:
            # What would leave no path leaves the path as it is.
            return path
    elif route.rewrite.prefix.len > 0:
        parts[0] = route.rewrite.prefix
        if route.path_kind != PATH_REGEX and route.path_kind != PATH_CONNECT:
            cut = route.path.len
        if cut > path.len:
            # A filter shortened the path after the route was chosen.
            cut = path.len
    else:
        return path
    parts[1] = span(path.at + cut, path.len - cut)
    return joined(parts, 2, arena)


cdef Span host_without_port(Head *request, Span scheme, bint port_given) noexcept nogil:
    # A port goes when the redirect names one, or when it is the default of the scheme that the redirect leaves.
    cdef Span host = request.authority
    cdef Span proto = head_value(request, H_X_FORWARDED_PROTO)
    cdef Span port
    cdef uint32_t colon = host.len
    cdef bint drop = port_given
    while colon > 0 and host.at[colon - 1] != 58:
        colon -= 1
    if colon == 0 or (host.at[0] == 91 and (colon < 2 or host.at[colon - 2] != 93)):
        return host
    port = span(host.at + colon, host.len - colon)
    if not span_equal(scheme, proto):
        drop = drop or (span_is(proto, b"https", 5) and span_is(port, b"443", 3))
        drop = drop or (span_is(proto, b"http", 4) and span_is(port, b"80", 2))
    if drop:
        host.len = colon - 1
    return host


cdef Span redirect_path(const Route *route, Head *request, Arena *arena) noexcept nogil:
    cdef Span parts[2]
    cdef Span path
    if route.rewrite.path.len == 0:
        path = rewrite_path(route, request.path, arena)
    elif memchr(route.rewrite.path.at, 63, route.rewrite.path.len) != NULL:
        # The query of path_redirect replaces the request's, and strip_query does not touch it.
        return route.rewrite.path
    else:
        parts[0] = route.rewrite.path
        parts[1] = query_of(request.path)
        path = joined(parts, 2, arena)
    if route.strip_query and path.at != NULL:
        path.len -= query_of(path).len
    return path


cdef Span location(Span scheme, Span host, uint32_t port, bint slash, Span path, Arena *arena) noexcept nogil:
    cdef Span parts[5]
    cdef char digits[24]
    cdef size_t n = 0
    if path.at == NULL and path.len == 0:
        path = span(b"", 0)
    if port != 0:
        digits[0] = 58
        n = 1 + write_u64(digits + 1, port)
    if slash:
        digits[n] = 47
        n += 1
    parts[0] = scheme
    parts[1] = span(b"://", 3)
    parts[2] = host
    parts[3] = span(digits, n)
    parts[4] = path
    return joined(parts, 5, arena)


cdef Span redirect_location(const Route *route, Head *request, Arena *arena) noexcept nogil:
    cdef Span scheme = route.scheme if route.scheme.len > 0 else request.scheme
    cdef Span host = route.redirect_host
    cdef Span path = redirect_path(route, request, arena)
    cdef bint slash
    if path.at == NULL and request.path.at != NULL:
        return path
    if host.len == 0:
        host = host_without_port(request, scheme, route.redirect_port != 0)
    # What a rewrite leaves without a slash must not run into the host; path_redirect is taken at its word.
    slash = route.rewrite.path.len == 0 and path.len > 0 and path.at[0] != 47
    return location(scheme, host, route.redirect_port, slash, path, arena)


cdef Span tls_location(Head *request, Arena *arena) noexcept nogil:
    return location(span(b"https", 5), request.authority, 0, False, request.path, arena)
