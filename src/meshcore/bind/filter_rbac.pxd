# Compiles the settings of RBAC; as filter_compile.
from meshcore.bind.filter_scope cimport FilterScope

cdef void *compile_rbac_filter(FilterScope scope, tuple specs) except NULL
