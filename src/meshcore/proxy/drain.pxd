# Drain: whether a response tells its client to look for another connection, as Envoy's drain manager decides it.
#
# Called by the stream for each response head, and by the engine when a listener begins to drain. It closes no connection before the drain
# time is over, and accepts none: that is the engine's. Worker thread. A drain ends with its listener.
from meshcore.proxy.objects cimport ListenerLocal, Stream

cdef bint drain_closes(Stream *stream) noexcept nogil
cdef bint listener_drains(ListenerLocal *listener) noexcept nogil             # the same question, without a stream
cdef void drain_start(ListenerLocal *listener) noexcept nogil                 # a second start changes nothing
