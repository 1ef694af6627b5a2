"""What a route makes of the request head before it goes upstream. See route_head.pxd for the law.

The old host and path stay readable in x-envoy-original-host and x-envoy-original-path, unless the router suppresses Envoy's headers.
"""
from libc.stdint cimport uint32_t
from libc.string cimport memcpy

from meshcore.base.arena cimport arena_take
from meshcore.base.span cimport span, span_fits_header
from meshcore.codec.head cimport *
from meshcore.observe.format cimport Format, format_bound, format_write
from meshcore.proxy.objects cimport *
from meshcore.route.finalize cimport route_mutate_request
from meshcore.route.matcher cimport header_first_value
from meshcore.route.regex cimport regex_replace
from meshcore.route.rewrite cimport path_alone
from meshcore.route.table cimport route_rewrite_path


cdef void route_head_set_host(Stream *stream, Route *route, Span host) noexcept nogil:
    # x-forwarded-host names the old host too, when asked for.
    cdef Head *head = &stream.request
    if host.len == 0:
        return
    if not stream.hcm.router.suppress_envoy_headers:
        head_set(head, H_ENVOY_ORIGINAL_HOST, head.authority)
    if route.append_x_forwarded_host:
        head_append_value(head, H_X_FORWARDED_HOST, head.authority)
    head.authority = host


cdef Span formatted(Stream *stream, const Format *format, Span rest, Span name) noexcept nogil:
    # What the format gives, and `rest` behind it. Empty: the format gives nothing or what `name` cannot hold, or there is no memory.
    cdef size_t bound = format_bound(format, &stream.record)
    cdef char *text = <char *>arena_take(&stream.arena, bound + rest.len)
    cdef char *end
    if text == NULL:
        return span(b"", 0)
    end = format_write(format, &stream.record, text, text + bound)
    if not span_fits_header(span(text, end - text)):
        stream.record.unfit_header = name
        return span(b"", 0)
    if end > text and rest.len > 0:
        memcpy(end, rest.at, rest.len)
        end += rest.len
    return span(text, end - text)


cdef Span new_path(Stream *stream, Route *route) noexcept nogil:
    cdef Span path = stream.request.path
    cdef uint32_t alone = path_alone(path).len
    cdef Span made
    if route.rewrite.format == NULL:
        return route_rewrite_path(route, path, &stream.arena)
    made = formatted(stream, route.rewrite.format, span(path.at + alone, path.len - alone), span(b":path", 5))
    return made if made.len > 0 else path


cdef Span new_host(Stream *stream, Route *route) noexcept nogil:
    # Empty: the host stays.
    cdef Head *head = &stream.request
    cdef Span host
    if route.host_rewrite.len > 0:
        return route.host_rewrite
    if route.host_rewrite_header.len > 0:
        return host if header_first_value(head, route.host_rewrite_header, &host) else span(b"", 0)
    if route.host_regex != NULL:
        return regex_replace(route.host_regex, path_alone(head.path), route.host_substitution, &stream.arena)
    if route.host_format != NULL:
        return formatted(stream, route.host_format, span(b"", 0), span(b":authority", 10))
    return span(b"", 0)


cdef void route_head_set_path(Stream *stream, Route *route) noexcept nogil:
    cdef Head *head = &stream.request
    cdef Span path = new_path(stream, route)
    if path.at != head.path.at or path.len != head.path.len:
        if not stream.hcm.router.suppress_envoy_headers:
            head_set(head, H_ENVOY_ORIGINAL_PATH, head.path)
        head.path = path


cdef void route_head_rewrite(Stream *stream, Route *route) noexcept nogil:
    # Envoy's finalizeRequestHeaders: mutations, then host, then path.
    route_mutate_request(route, stream.choice, &stream.request, &stream.record)
    if stream.choice != NULL and stream.choice.host_rewrite.len > 0:
        # A weighted cluster's own host comes first: what the route says comes on top of it.
        stream.request.authority = stream.choice.host_rewrite
    if route.rewrites:
        route_head_set_host(stream, route, new_host(stream, route))
        route_head_set_path(stream, route)
