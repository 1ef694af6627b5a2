# Compiles Thrift route tables; with the GIL, main thread.
from meshcore.bind.runtime cimport RuntimeCells
from meshcore.route.thrift_table cimport ThriftRouteTable

# A reference; `cluster_index`: name -> slot in every worker, grown as names are met.
cdef ThriftRouteTable *thrift_routes_compile(object spec, dict cluster_index, RuntimeCells cells, str node_cluster) except NULL
