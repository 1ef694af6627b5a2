# Thrift filters on their call: those of the listener run in order before the router; see filter/thrift_metadata for what they do.
#
# Only called where a listener has filters. Worker thread; what they keep ends with the call's arena.
from meshcore.base.span cimport Span
from meshcore.proxy.thrift.objects cimport ThriftCall

cdef bint filters_begin(ThriftCall *call) noexcept nogil           # its envelope was read; True: the payload decides how it is routed
cdef void filters_take(ThriftCall *call, Span piece) noexcept nogil
cdef void filters_end(ThriftCall *call) noexcept nogil
