# What the Thrift proxy counts of a cluster, and what outlier detection is told of a host. Worker thread; leaf code.
from meshcore.proxy.thrift.objects cimport ThriftCall

cdef void charge_cluster(ThriftCall *call, int stat) noexcept nogil
cdef void charge_request(ThriftCall *call) noexcept nogil                     # a cluster was found for it
cdef void charge_local(ThriftCall *call, int reason) noexcept nogil           # an exception of our own; CLUSTER_THRIFT_LOCAL_*
cdef void charge_refused(ThriftCall *call) noexcept nogil                     # the same, before it had a host
cdef void charge_reply(ThriftCall *call, bint draining) noexcept nogil
cdef void charge_broken(ThriftCall *call) noexcept nogil                      # a reply that is none
cdef void charge_time(ThriftCall *call) noexcept nogil                        # since its last byte went out; once
cdef void charge_failed(ThriftCall *call) noexcept nogil                      # its host could not be had, or left
