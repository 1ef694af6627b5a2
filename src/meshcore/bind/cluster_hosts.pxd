# The hosts of a cluster over all its host sets, held by Python. Main thread, with the GIL.
from libc.stdint cimport int64_t, uint8_t, uint32_t

from meshcore.bind.outlier cimport OutlierInbox
from meshcore.cluster.balancer cimport LbConf
from meshcore.cluster.host cimport Host, HostSpec
from meshcore.cluster.host_set cimport HostSet
from meshcore.cluster.outlier cimport OutlierConf
from meshcore.conf.tables cimport ClusterConf

cdef class HostRef:
    cdef Host *host                # one reference

cdef class HostSetRef:
    cdef HostSet *hosts            # one reference
    cdef uint8_t kind              # BalancerKind that it was prepared for
    cdef uint32_t collisions

cdef class ClusterHosts:
    cdef ClusterConf *conf         # one reference: it may be used after the ClusterTable is gone
    cdef const LbConf *lb          # of the conf
    cdef object cells              # the RuntimeCells that the conf reads
    cdef const OutlierConf *outlier        # likewise; NULL: nobody watches its hosts
    cdef OutlierInbox inbox        # where watched hosts are reported
    cdef int64_t unchecked         # health of a host that no active check has answered yet
    cdef dict known                # identity of an endpoint -> HostRef: hosts keep theirs over updates
    cdef tuple endpoints           # of the newest set
    cdef list refs                 # their HostRefs
    cdef list free_slots           # None: none yet
    cdef uint32_t next_slot
    cdef object spec               # spec.Cluster
    cdef HostSetRef local          # hosts of the proxies' own cluster; None: there is none
    cdef HostSetRef last           # the newest set
    cdef frozenset subsets         # keys of the newest set's subsets
    cdef dict matched              # hosts that each socket match took since they were last asked for; None: none
    cdef dict counts               # counters of the main thread that grew since they were last taken; None: none did

    cdef HostRef host_of(self, endpoint, tuple key)
    cdef uint32_t socket_of(self, endpoint) except? 0
    cdef int fill_dials(self, endpoint, HostSpec *made) except -1
    cdef int count(self, str name, uint32_t n) except -1
    cdef HostSetRef build(self)
