# The table of a listener, held by Python until it is published. Main thread, with the GIL; publication is bind/worker.
from libc.stdint cimport uint32_t

from meshcore.bind.stats cimport StatsRegistry
from meshcore.conf.tables cimport ChainConf, ListenerConf, RouteSet
from meshcore.conf.tls cimport TlsSlot

cdef class ListenerTable:
    cdef ListenerConf *conf        # one reference
    cdef RouteSet *routes          # one reference
    cdef str prefix                # of its statistics
    cdef readonly list owned       # names and prefixes of statistics that end with it
    cdef uint32_t *tls_stats       # NULL: none of its chains speaks TLS

    cdef TlsSlot *tls_slot(self, chain, StatsRegistry registry) except NULL
    cdef int fill_tcp(self, spec, ChainConf *chain, StatsRegistry registry, dict cluster_index, dict files) except -1
    cdef int fill_thrift(self, spec, ChainConf *chain, StatsRegistry registry, dict cluster_index, dict files, tuple node) except -1
    cdef int fill_http(self, spec, int chain, StatsRegistry registry, dict cluster_index, dict files, tuple node,
                       list keep_on) except -1
