# Thrift access logs: one line for each call that ended, with what Envoy keeps of it as dynamic metadata "thrift.proxy".
from meshcore.proxy.thrift.objects cimport ThriftCall

cdef void call_log(ThriftCall *call) noexcept nogil
