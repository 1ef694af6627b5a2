# Thrift shadows: calls that request_mirror_policies send a second time, to another cluster; nobody waits for their replies.
#
# A shadow is a call without a downstream connection (`down` is NULL) and outlives the one that it is a copy of: the engine has the list. It
# begins when its original is complete, so that it holds the bytes that a read brought once. Worker thread; a shadow ends with its reply, its
# failure, or the engine.
from meshcore.proxy.objects cimport Engine
from meshcore.proxy.thrift.objects cimport ThriftCall

cdef void shadows_begin(ThriftCall *call) noexcept nogil           # of a call that is complete, has a route and was not sent
cdef void shadows_end(Engine *engine) noexcept nogil               # all of them
# What call_life does for other calls.
cdef void shadow_ready(ThriftCall *shadow) noexcept nogil
cdef void shadow_replied(ThriftCall *shadow, bint draining) noexcept nogil
cdef void shadow_failed(ThriftCall *shadow) noexcept nogil
