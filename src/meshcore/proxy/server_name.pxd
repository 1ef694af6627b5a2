# Names of upstream TLS that a request brings: what hosts are asked for (auto_sni), and what their certificates must be for
# (auto_san_validation).
#
# A stream settles its name before its first try and keeps it for all of them, as in Envoy. Where a cluster asks for none of it, nobody comes
# here. Worker thread.
from meshcore.proxy.objects cimport ClusterLocal, Stream
from meshcore.proxy.origin cimport Origin

cdef bint server_name_fill(Stream *stream, ClusterLocal *cluster, Origin *out) noexcept nogil      # False: the request brings no name
