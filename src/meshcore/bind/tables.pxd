# Tables built from a plan, held by Python until they are published. Main thread, with the GIL.
from meshcore.bind.cluster_hosts cimport ClusterHosts
from meshcore.conf.tables cimport ClusterConf, ListenerConf
from meshcore.route.table cimport RouteTable

cdef class ListenerTable:
    cdef ListenerConf *conf        # one reference
    cdef RouteTable *routes        # one reference
    cdef readonly list owned       # names and prefixes of statistics that end with it

cdef class ClusterTable:
    cdef ClusterConf *conf         # one reference
    cdef readonly ClusterHosts hosts
    cdef tuple track_remaining     # (default, high)
    cdef readonly list owned       # prefixes of statistics that end with it
