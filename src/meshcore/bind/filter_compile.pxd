# One compile function per native filter: specs of bind/filter_spec.py in, an immutable struct of src/meshcore/filter out. `specs` holds the
# filter's own settings, or those of the levels of a route, the least specific first. Main thread, with the GIL.
from meshcore.bind.filter_scope cimport FilterScope

cdef void *compile_buffer(FilterScope scope, tuple specs) except NULL
cdef void *compile_fault(FilterScope scope, tuple specs) except NULL
cdef void *compile_bandwidth_limit(FilterScope scope, tuple specs) except NULL
