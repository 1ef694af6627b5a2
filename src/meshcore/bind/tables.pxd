# Tables built from a plan, held by Python until they are published. Main thread, with the GIL.
from libc.stdint cimport uint32_t

from meshcore.cluster.host cimport Host, HostSet
from meshcore.conf.tables cimport ClusterConf, ListenerConf
from meshcore.observe.record cimport IpAddress
from meshcore.route.table cimport RouteTable

cdef class ListenerTable:
    cdef ListenerConf *conf        # one reference
    cdef RouteTable *routes        # one reference
    cdef readonly list owned       # names and prefixes of statistics that end with it

cdef class HostRef:
    cdef Host *host                # one reference

cdef class HostSetRef:
    cdef HostSet *hosts            # one reference

cdef class ClusterTable:
    cdef ClusterConf *conf         # one reference
    cdef dict hosts                # (address, hostname) -> HostRef: hosts keep their identity over updates
    cdef uint32_t next_slot
    cdef tuple track_remaining     # (default, high)
    cdef readonly list owned       # prefixes of statistics that end with it

    cdef HostRef host_of(self, endpoint)

cdef int address_fill(object spec, IpAddress *out) except -1
