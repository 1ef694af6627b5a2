# Names the histograms that a cluster keeps only if it is asked to. Main thread, with the GIL, for bind/tables.
from meshcore.bind.stats cimport StatsRegistry
from meshcore.conf.tables cimport ClusterConf

# `owned`: the names that the cluster's table gives back when it ends.
cdef int fill_tracking(ClusterConf *conf, object spec, StatsRegistry registry, str prefix, list owned) except -1
