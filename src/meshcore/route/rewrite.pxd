# Path rewriting and redirect locations: what a chosen route makes of the request's path, host and scheme.
#
# Pure functions over a route and a head; results lie in the arena that the caller gives. A span with at == NULL means: no memory.
from libc.stdint cimport uint32_t

from meshcore.base.arena cimport Arena
from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.route.table cimport Route

cdef Span path_alone(Span path) noexcept nogil                             # without query and fragment
cdef Span rewrite_path(const Route *route, Span path, Arena *arena) noexcept nogil     # query kept; `path` itself when no rewrite is set
cdef Span redirect_location(const Route *route, Head *request, Arena *arena) noexcept nogil
cdef Span tls_location(Head *request, Arena *arena) noexcept nogil        # the same address over https: for a virtual host that requires TLS
