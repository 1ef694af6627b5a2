"""Network filters; see network_filter.pxd for the law. What several workers count together is one atomic word."""
from libc.stdint cimport int64_t, uint32_t

from meshcore.base.atomics cimport atomic_add, atomic_load
from meshcore.base.clock cimport clock_ns
from meshcore.base.runtime cimport runtime_boolean
from meshcore.base.token_bucket cimport bucket_take
from meshcore.conf.stat_ids cimport LIMIT_ACTIVE, LIMIT_LIMITED
from meshcore.conf.tables cimport NETWORK_CONNECTION_LIMIT, NETWORK_LOCAL_RATELIMIT, NETWORK_SET_FILTER_STATE, NetworkFilter
from meshcore.filter.set_filter_state cimport SetFilterStateConf
from meshcore.observe.counters cimport gauge_add, stat_inc
from meshcore.proxy.network_rules cimport network_state_set
from meshcore.proxy.objects cimport Connection, Engine


cdef bint count_in(Connection *connection, const NetworkFilter *filter) noexcept nogil:
    cdef Engine *engine = connection.chain.listener.engine
    gauge_add(engine.stats, filter.stats[LIMIT_ACTIVE], 1)
    atomic_add(filter.used, 1)
    if atomic_load(filter.used) <= <int64_t>filter.most:
        return True
    stat_inc(engine.stats, filter.stats[LIMIT_LIMITED])
    return False


cdef bint network_filters_pass(Connection *connection) noexcept nogil:
    cdef Engine *engine = connection.chain.listener.engine
    cdef const NetworkFilter *filter
    cdef uint32_t i
    for i in range(connection.chain.conf.filters_len):
        filter = &connection.chain.conf.filters[i]
        if not runtime_boolean(filter.enabled_cell, filter.enabled):
            continue
        if filter.kind == NETWORK_CONNECTION_LIMIT:
            connection.counted |= <uint32_t>1 << i
            if not count_in(connection, filter):
                return False
        elif filter.kind == NETWORK_LOCAL_RATELIMIT and bucket_take(filter.bucket, 1, False, clock_ns(&engine.loop.clock)) == 0:
            stat_inc(engine.stats, filter.stats[0])
            return False
        elif filter.kind == NETWORK_SET_FILTER_STATE:
            network_state_set(connection, <const SetFilterStateConf *>filter.settings)
    return True


cdef void network_filters_end(Connection *connection) noexcept nogil:
    cdef Engine *engine = connection.chain.listener.engine
    cdef const NetworkFilter *filter
    cdef uint32_t i
    for i in range(connection.chain.conf.filters_len):
        filter = &connection.chain.conf.filters[i]
        if connection.counted >> i & 1:
            atomic_add(filter.used, -1)
            gauge_add(engine.stats, filter.stats[LIMIT_ACTIVE], -1)
