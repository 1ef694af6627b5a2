# Compiles the settings of the compressor; as filter_compile.
from meshcore.bind.filter_scope cimport FilterScope

cdef void *compile_compressor(FilterScope scope, tuple specs) except NULL
