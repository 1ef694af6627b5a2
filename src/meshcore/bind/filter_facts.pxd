# Settings of filters that leave facts on a stream, compiled: set_metadata, set_filter_state. See filter_compile.pxd for the law.
from meshcore.bind.filter_scope cimport FilterScope

cdef void *compile_set_metadata(FilterScope scope, tuple specs) except NULL
cdef void *compile_set_filter_state(FilterScope scope, tuple specs) except NULL
