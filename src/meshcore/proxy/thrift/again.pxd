# Thrift calls once more: a call that its host failed goes to another choice of host, if its method is named for that (route/thrift_retry).
#
# Only failures of a connection and replies that are no Thrift: an exception is an answer. The payload is kept from the moment it goes out, by
# reference. At once, without a pause; bounded by the number of tries and by the breaker of retries. Worker thread.
from meshcore.proxy.thrift.objects cimport ThriftCall

cdef void again_keep(ThriftCall *call) noexcept nogil              # before its request goes out, where there are retries
cdef bint again_try(ThriftCall *call) noexcept nogil               # its host failed it; True: it is under way again, or over
cdef void again_over(ThriftCall *call) noexcept nogil              # it ends; may be called for any call
