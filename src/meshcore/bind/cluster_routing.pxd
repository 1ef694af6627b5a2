# What a cluster says in place of the routes that lead to it (retries, mirrors, hash policy), which share of its requests it drops, and when its
# pools begin anew.
#
# Called by bind/cluster_table (of mirrors, bind/tables) while a table is built, on the main thread with the GIL. What it makes lives in the
# table's arena and ends with it.
from libc.stdint cimport uint32_t

from meshcore.bind.runtime cimport RuntimeCells
from meshcore.conf.tables cimport ClusterConf
from meshcore.route.table cimport MirrorPolicy

cdef int fill_routing(ClusterConf *conf, object spec, RuntimeCells cells, dict cluster_index) except -1
cdef int resolve_mirrors(MirrorPolicy *mirrors, uint32_t n, dict cluster_index) except -1      # names become slots
