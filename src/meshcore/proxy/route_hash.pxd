# Route hash: what a request tells a hashing balancer, and the cookies that bring the client back. Worker thread.
from libc.stdint cimport uint64_t

from meshcore.cluster.balancer cimport Pick
from meshcore.codec.head cimport Head
from meshcore.proxy.objects cimport ClusterLocal, Stream
from meshcore.route.table cimport Route

cdef void route_hash_fill(Stream *stream, ClusterLocal *cluster, Pick *pick) noexcept nogil            # once per stream; later tries find it again
cdef uint64_t route_hash_weight(Stream *stream, const Route *route) noexcept nogil    # what chooses a weighted cluster: the hash, else chance
cdef void route_hash_cookies(Stream *stream, Head *response) noexcept nogil     # the set-cookie headers that it promised
