# Pool: the connections of one worker to one host that speak the same version of HTTP.
#
# An attempt gets a connection with room (HTTP/2: one with streams first; the last used one), or waits while a new one is made. No more
# connections are being made than the attempts that wait will need. Worker thread.
from libc.stdint cimport uint8_t, uint32_t

from meshcore.base.span cimport Span
from meshcore.cluster.host cimport Host
from meshcore.proxy.objects cimport Attempt, ClusterLocal, Pool, Upstream
from meshcore.proxy.origin cimport Origin

cdef enum:
    POOLS_PER_HOST = 4             # of ClusterLocal.pools: two priorities of HTTP/1, two of HTTP/2

cdef Pool *pool_of(ClusterLocal *cluster, Host *host, uint8_t priority, bint http2) noexcept nogil      # found or made; NULL: no memory
# A pool that is in no list yet; NULL: no memory.
cdef Pool *pool_new(ClusterLocal *cluster, Host *host, uint8_t priority, bint http2, const Origin *origin) noexcept nogil
cdef void pool_request(Pool *pool, Attempt *attempt) noexcept nogil           # ends in attempt_ready or attempt_failed, maybe at once
cdef void pool_cancel(Attempt *attempt) noexcept nogil                        # takes a waiting attempt out
cdef void pool_retire(Pool *pool) noexcept nogil                              # its host or cluster left
cdef void pool_connected(Upstream *upstream) noexcept nogil
cdef void pool_connect_failed(Upstream *upstream, uint8_t reason, Span failure) noexcept nogil
cdef void pool_give_back(Upstream *upstream) noexcept nogil                   # it may be used, and has room
cdef void pool_stream_over(Upstream *upstream) noexcept nogil                 # one attempt less on it
cdef void pool_no_more(Upstream *upstream) noexcept nogil                     # it serves what it has, and ends
cdef void pool_forget(Upstream *upstream) noexcept nogil                      # it closed: out of its list, counts corrected
cdef void pool_let_go(Pool *pool) noexcept nogil                              # frees a retired pool whose last connection is gone
cdef void pool_unlink(Upstream *upstream) noexcept nogil
cdef void pool_link(Upstream **list, Upstream *upstream) noexcept nogil
