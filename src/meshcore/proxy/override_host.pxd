# Override host: the request itself names the hosts that it may go to, in a header or in its metadata; the first that the cluster has is
# taken, healthy or not, each further try goes on in the list, and at its end the cluster's own policy decides. Worker thread.
from meshcore.cluster.host cimport Host
from meshcore.proxy.objects cimport ClusterLocal, Stream

# Borrowed; NULL: the policy decides. The cluster has LbConf.overrides.
cdef Host *override_host_pick(Stream *stream, ClusterLocal *cluster) noexcept nogil
# The host that a filter wants (HttpStream.wanted_host), if the cluster has it and its health is one of those that the cluster names.
cdef Host *wanted_host_pick(Stream *stream, ClusterLocal *cluster) noexcept nogil
