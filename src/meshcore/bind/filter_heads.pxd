# Compiles the settings of filters that only look at heads; as filter_compile.
from meshcore.bind.filter_scope cimport FilterScope

cdef void *compile_header_mutation(FilterScope scope, tuple specs) except NULL
cdef void *compile_cors(FilterScope scope, tuple specs) except NULL
cdef void *compile_csrf(FilterScope scope, tuple specs) except NULL
cdef void *compile_health_check(FilterScope scope, tuple specs) except NULL
