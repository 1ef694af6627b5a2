# Preconnect: how far a cluster's connections run ahead of its requests (preconnect_policy). Immutable, in the cluster's table.

cdef struct Preconnect:
    double per_host                # connections per request of a host's pool, above 1
