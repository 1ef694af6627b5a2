# Compiles the settings of the rate limits; as filter_compile.
from meshcore.bind.filter_scope cimport FilterScope

cdef void *compile_ratelimit(FilterScope scope, tuple specs) except NULL
cdef void *compile_local_ratelimit(FilterScope scope, tuple specs) except NULL
