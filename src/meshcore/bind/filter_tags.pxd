# Settings of filters that mark streams by what they carry, compiled: ip_tagging, json_to_metadata. See filter_compile.pxd for the law.
from meshcore.bind.filter_scope cimport FilterScope

cdef void *compile_ip_tagging(FilterScope scope, tuple specs) except NULL
cdef void *compile_json_to_metadata(FilterScope scope, tuple specs) except NULL
