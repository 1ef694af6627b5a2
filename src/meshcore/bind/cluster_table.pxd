# The table of a cluster, held by Python until it is published, and while it runs for what changes in place: breakers, TLS. Main thread, with
# the GIL; publication is bind/worker. Ends when nothing uses the cluster any more.
from meshcore.bind.cluster_hosts cimport ClusterHosts
from meshcore.conf.tables cimport ClusterConf

cdef class ClusterTable:
    cdef ClusterConf *conf         # one reference
    cdef readonly ClusterHosts hosts
    cdef tuple limits              # spec.Thresholds (default, high)
    cdef readonly list owned       # prefixes of statistics that end with it
