# Thrift filters on their call: those of the listener run in order before the router; see filter/thrift_metadata for what they do.
#
# A filter may hold a call until a service has answered (limit); a payload may decide how a call is routed. Either way it is read whole first.
# Only called where a listener has filters. Worker thread; what they keep ends with the call's arena.
from meshcore.base.span cimport Span
from meshcore.proxy.thrift.objects cimport ThriftCall

cdef bint filters_begin(ThriftCall *call) noexcept nogil           # its envelope was read; True: it is not to be routed yet
cdef void filters_go_on(ThriftCall *call) noexcept nogil           # behind the one that it has passed
cdef void filters_take(ThriftCall *call, Span piece) noexcept nogil
cdef void filters_end(ThriftCall *call) noexcept nogil
