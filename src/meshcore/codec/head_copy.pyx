"""Copies a head. See head_copy.pxd."""
from libc.stdint cimport uint16_t

from meshcore.base.arena cimport Arena, arena_copy
from meshcore.base.span cimport Span
from meshcore.codec.head cimport *


cdef bint copy_span(Span *to, Span source, Arena *arena) noexcept nogil:
    # NULL stays NULL: it says that there was none.
    to[0] = source
    if source.at == NULL or source.len == 0:
        return True
    to.at = arena_copy(arena, source.at, source.len)
    return to.at != NULL


cdef bint copy_header(Head *to, Header *header, Arena *arena) noexcept nogil:
    cdef Span name
    cdef Span value
    if not copy_span(&name, header_name(header), arena) or not copy_span(&value, header_value(header), arena):
        return False
    return head_add(to, name, value, header.id) != NULL


cdef bint head_copy(Head *to, Head *source, Arena *arena) noexcept nogil:
    cdef uint16_t i
    head_init(to, arena, source.is_response)
    to.version = source.version
    to.status = source.status
    to.bytes = source.bytes
    if not copy_span(&to.method, source.method, arena) or not copy_span(&to.path, source.path, arena) or \
            not copy_span(&to.authority, source.authority, arena) or not copy_span(&to.scheme, source.scheme, arena) or \
            not copy_span(&to.protocol, source.protocol, arena) or not copy_span(&to.reason, source.reason, arena):
        return False
    for i in range(source.len):
        if not source.headers[i].dropped and not copy_header(to, &source.headers[i], arena):
            return False
    return True
