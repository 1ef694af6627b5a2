# Thrift rate limits: what a service is asked of a call (envoy.filters.thrift.rate_limit), and what becomes of the call.
#
# A call waits in state CALL_ROUTING, with its route and cluster found; no later call of its connection begins meanwhile. It is cancelled when
# the call ends. filters.pyx begins one; the rest comes from the gRPC call. Worker thread.
from meshcore.filter.rate_limit_service cimport ThriftRateLimit
from meshcore.proxy.thrift.objects cimport ThriftCall

# call.limit is set while the answer is awaited; the call is CALL_DONE when it was refused at once. Never frees the call.
cdef void limit_begin(ThriftCall *call, const ThriftRateLimit *limit) noexcept nogil
