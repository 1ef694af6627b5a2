"""What a route makes of the request head before it goes upstream. See route_head.pxd for the law.

The old host and path stay readable in x-envoy-original-host and x-envoy-original-path, unless the router suppresses Envoy's headers.
"""
from meshcore.codec.head cimport *
from meshcore.proxy.objects cimport *
from meshcore.route.finalize cimport route_mutate_request
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


cdef void route_head_set_path(Stream *stream, Route *route) noexcept nogil:
    cdef Head *head = &stream.request
    cdef Span path = route_rewrite_path(route, head.path, &stream.arena)
    if path.at != head.path.at or path.len != head.path.len:
        if not stream.hcm.router.suppress_envoy_headers:
            head_set(head, H_ENVOY_ORIGINAL_PATH, head.path)
        head.path = path


cdef void route_head_rewrite(Stream *stream, Route *route) noexcept nogil:
    # Envoy's finalizeRequestHeaders: mutations, then host, then path.
    cdef Head *head = &stream.request
    cdef Header *header
    route_mutate_request(route, stream.choice, head, &stream.record)
    if stream.choice != NULL and stream.choice.host_rewrite.len > 0:
        head.authority = stream.choice.host_rewrite
    elif route.host_rewrite.len > 0:
        route_head_set_host(stream, route, route.host_rewrite)
    elif route.host_rewrite_header.len > 0:
        header = head_find_name(head, route.host_rewrite_header)
        if header != NULL:
            route_head_set_host(stream, route, header_value(header))
    route_head_set_path(stream, route)
