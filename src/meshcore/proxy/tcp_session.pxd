# What every part of the TCP proxy asks of a session: its settings, its counters, the time. Worker thread.
from libc.stdint cimport int64_t, uint64_t

from meshcore.base.clock cimport clock_ms
from meshcore.conf.tables cimport TcpConf
from meshcore.observe.counters cimport gauge_add, stat_add
from meshcore.proxy.objects cimport TcpSession

cdef inline TcpConf *tcp_conf(TcpSession *session) noexcept nogil:
    return session.base.conn.chain.conf.tcp

cdef inline void tcp_count(TcpSession *session, int stat, int64_t n) noexcept nogil:
    stat_add(session.base.engine.stats, tcp_conf(session).stats[stat], n)

cdef inline void tcp_count_cluster(TcpSession *session, int stat, int64_t n) noexcept nogil:
    stat_add(session.base.engine.stats, session.cluster.conf.stats[stat], n)

cdef inline void tcp_gauge_cluster(TcpSession *session, int stat, int64_t n) noexcept nogil:
    gauge_add(session.base.engine.stats, session.cluster.conf.stats[stat], n)

cdef inline uint64_t tcp_now_ms(TcpSession *session) noexcept nogil:
    return clock_ms(&session.base.engine.loop.clock)
