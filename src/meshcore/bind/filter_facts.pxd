# Settings of filters that leave facts on a stream, compiled: set_metadata, set_filter_state. See filter_compile.pxd for the law.
from meshcore.base.arena cimport Arena
from meshcore.bind.filter_scope cimport FilterScope
from meshcore.filter.set_filter_state cimport SetFilterStateConf

cdef void *compile_set_metadata(FilterScope scope, tuple specs) except NULL
cdef void *compile_set_filter_state(FilterScope scope, tuple specs) except NULL
cdef SetFilterStateConf *compile_state_values(Arena *arena, object values) except NULL      # of filter_spec.FilterStateValue
