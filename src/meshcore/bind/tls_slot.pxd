# TLS slots of tables: which context a filter chain or a cluster uses, where it counts, and its replacement while the table lives.
#
# OpenSSL is loaded by the first context that is asked for: nothing here is linked with it. Main thread, with the GIL.
from libc.stdint cimport uint32_t

from meshcore.base.arena cimport Arena
from meshcore.bind.stats cimport StatsRegistry
from meshcore.conf.tables cimport ClusterConf
from meshcore.conf.tls cimport TlsConf, TlsSlot

cdef class OldContext:
    cdef TlsConf *conf             # a reference, which ends with this object

cdef uint32_t *tls_stats_of(Arena *arena, StatsRegistry registry, str prefix, list owned) except NULL      # <prefix>ssl.*
cdef int tls_slot_fill(TlsSlot *slot, spec, StatsRegistry registry, str prefix, list owned) except -1
cdef int cluster_tls_fill(ClusterConf *conf, spec, StatsRegistry registry, str prefix, list owned) except -1   # of a spec.Cluster
# What new connections use from now on. The old context may go when every worker has passed between two events.
cdef OldContext tls_slot_replace(TlsSlot *slot, spec, StatsRegistry registry, str prefix, list owned)
