# Hosts that no configuration names: those of a cluster of type ORIGINAL_DST, which each request names by an address in a header, in its
# metadata, or by where its client meant to connect. Worker thread.
#
# Every worker keeps its own, made when first asked for, and forgets what nobody asked for between two clean-ups. Pools and streams hold
# references of their own, so nothing ends under them.
from meshcore.cluster.host cimport Host
from meshcore.proxy.objects cimport ClusterLocal, Connection, Stream

cdef bint original_dst_init(ClusterLocal *cluster) noexcept nogil          # False: no memory
cdef void original_dst_fini(ClusterLocal *cluster) noexcept nogil
cdef Host *original_dst_pick(Stream *stream) noexcept nogil                # borrowed; NULL: neither the request nor its connection names an address
cdef Host *original_dst_of(ClusterLocal *cluster, Connection *connection) noexcept nogil   # where a redirected one meant to go; NULL: not redirected
