# Settings of filters that refuse requests by how the upstream does: admission control, adaptive concurrency. See filter_compile.pxd.
from meshcore.bind.filter_scope cimport FilterScope

cdef void *compile_admission_control(FilterScope scope, tuple specs) except NULL
cdef void *compile_adaptive_concurrency(FilterScope scope, tuple specs) except NULL
