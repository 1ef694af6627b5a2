# Preconnect: how many connections a pool of a cluster with a preconnect_policy should have (Envoy's shouldConnect). Worker thread.
#
# The pool asks this, and tells it when a connection has gained or lost attempts or room; pools of other clusters never come here.
from meshcore.proxy.objects cimport Pool, Upstream

cdef enum:
    PRECONNECT_STEP = 3            # connections that one request may bring about

# `free`: how many more attempts the connection has room for now; 0 once it takes no more.
cdef void preconnect_recount(Pool *pool, Upstream *upstream, unsigned int streams, unsigned int free) noexcept nogil
cdef bint preconnect_wants(const Pool *pool) noexcept nogil            # one connection more
