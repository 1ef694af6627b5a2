# Charge: what a response, or its absence, adds to the statistics of its cluster, virtual cluster and route. Worker thread.
#
# The router calls these; the stream has its cluster and route. Names and rules are those of Envoy's CodeStats.
from libc.stdint cimport int64_t, uint16_t

from meshcore.cluster.host cimport Host
from meshcore.conf.tables cimport ClusterConf
from meshcore.observe.counters cimport gauge_add, stat_add
from meshcore.proxy.objects cimport Engine, Stream

# A response that the client gets, of this host; NULL: ours alone.
cdef void charge(Stream *stream, uint16_t status, const Host *host) noexcept nogil
cdef void charge_retried(Stream *stream, uint16_t status) noexcept nogil               # one that is tried again instead
cdef void charge_note_canary(Stream *stream, const Host *host) noexcept nogil          # whether a canary answers; before it is charged
cdef void charge_local(Engine *engine, ClusterConf *conf, uint16_t status) noexcept nogil        # ours, for a request that did not go there
cdef void charge_time(Stream *stream, const Host *host) noexcept nogil
cdef void charge_scopes(Stream *stream, int stat) noexcept nogil                       # a ScopeStat of route and virtual cluster

cdef inline void count(Stream *stream, int stat, int64_t n) noexcept nogil:
    # A ClusterStat.
    stat_add(stream.engine.stats, stream.cluster.conf.stats[stat], n)

cdef inline void gauge(Stream *stream, int stat, int64_t n) noexcept nogil:
    gauge_add(stream.engine.stats, stream.cluster.conf.stats[stat], n)

cdef inline void count_scoped(Stream *stream, int stat) noexcept nogil:
    # Routes that count nothing apart cost one test.
    if stream.http.route.scoped:
        charge_scopes(stream, stat)
