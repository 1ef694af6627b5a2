# Compiles the settings of filters that carry facts between headers, metadata and hosts; as filter_compile.
from meshcore.bind.filter_scope cimport FilterScope

cdef void *compile_stateful_session(FilterScope scope, tuple specs) except NULL
cdef void *compile_header_to_metadata(FilterScope scope, tuple specs) except NULL
