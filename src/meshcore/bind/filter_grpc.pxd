# Compiles the settings of the gRPC filters; as filter_compile.
from meshcore.bind.filter_scope cimport FilterScope

cdef void *compile_grpc_web(FilterScope scope, tuple specs) except NULL
cdef void *compile_grpc_bridge(FilterScope scope, tuple specs) except NULL
cdef void *compile_grpc_reverse_bridge(FilterScope scope, tuple specs) except NULL
cdef void *compile_grpc_stats(FilterScope scope, tuple specs) except NULL
