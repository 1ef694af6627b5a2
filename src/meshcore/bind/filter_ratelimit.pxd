# Compiles the local rate limit's settings; as filter_compile.
from meshcore.bind.filter_scope cimport FilterScope

cdef void *compile_local_ratelimit(FilterScope scope, tuple specs) except NULL
