# Compiles the settings of the compressor and the decompressor; as filter_compile.
from meshcore.bind.filter_scope cimport FilterScope

cdef void *compile_compressor(FilterScope scope, tuple specs) except NULL
cdef void *compile_decompressor(FilterScope scope, tuple specs) except NULL
