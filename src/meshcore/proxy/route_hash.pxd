# Route hash: what a request tells a hashing balancer, and the cookies that bring the client back. Worker thread.
from meshcore.cluster.balancer cimport Pick
from meshcore.codec.head cimport Head
from meshcore.proxy.objects cimport Stream

cdef void route_hash_fill(Stream *stream, Pick *pick) noexcept nogil            # once per stream; later tries find it again
cdef void route_hash_cookies(Stream *stream, Head *response) noexcept nogil     # the set-cookie headers that it promised
