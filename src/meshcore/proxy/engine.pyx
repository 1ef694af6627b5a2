"""Engine: one worker's data plane. See engine.pxd for the law."""
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memset
from posix.unistd cimport close

from meshcore.base.atomics cimport atomic_ref
from meshcore.base.clock cimport clock_ms, clock_wall_us
from meshcore.base.hash cimport xxhash64
from meshcore.base.slab cimport slab_fini, slab_init
from meshcore.base.span cimport span_equal
from meshcore.base.wheel cimport Timer, timer_cancel, timer_init, wheel_arm
from meshcore.cluster.balancer cimport balancer_fini, balancer_init, balancer_reset
from meshcore.cluster.host_set cimport host_set_unref
from meshcore.codec.http2 cimport Http2Stream
from meshcore.codec.http2_memory cimport http2_memory_fini, http2_memory_init
from meshcore.conf.tables cimport RouteSet, cluster_conf_unref, listener_conf_unref, route_set_unref
from meshcore.filter.batch cimport batch_init
from meshcore.io.listener cimport server_close, server_open, server_set_backlog
from meshcore.io.logfile cimport logfile_busy, logfile_fini, logfile_flush, logfile_init
from meshcore.io.loop cimport loop_fini, loop_init
from meshcore.io.transport cimport transport_flush_all
from meshcore.proxy.accepted cimport accepted_end_all, accepted_move
from meshcore.proxy.aggregate cimport aggregate_fini, aggregate_init
from meshcore.proxy.balance cimport balance_give
from meshcore.proxy.connection cimport (
    connection_accept, connection_counted, connection_refused, connections_abort, connections_drain, connections_move,
)
from meshcore.proxy.drain cimport drain_start
from meshcore.proxy.http2.objects cimport Http2Downstream, Http2Upstream
from meshcore.proxy.objects cimport *
from meshcore.proxy.original_dst cimport original_dst_fini, original_dst_init
from meshcore.proxy.own_pools cimport own_pools_fini, own_pools_retire, own_pools_retire_at
from meshcore.proxy.listener_places cimport listener_places_build
from meshcore.proxy.own_stream cimport own_stream_end
from meshcore.proxy.pool cimport POOLS_PER_HOST, pool_retire
from meshcore.proxy.request_queue cimport queue_fini, queue_init
from meshcore.proxy.stream_end cimport stream_free
from meshcore.proxy.tcp_proxy cimport tcp_host_failed
from meshcore.proxy.thrift.objects cimport ThriftCall, ThriftDownstream, ThriftUpstream, ThriftWalk
from meshcore.proxy.thrift.pool cimport pools_retire
from meshcore.proxy.thrift.shadow cimport shadows_end
from meshcore.route.table cimport RouteTable, route_table_unref

cdef extern from "<errno.h>" nogil:
    int ENOMEM

cdef extern from "<time.h>" nogil:
    ctypedef long time_t
    struct tm:
        int tm_sec
    tm *gmtime_r(const time_t *when, tm *out) noexcept
    size_t strftime(char *out, size_t n, const char *format, const tm *when) noexcept


cdef int engine_init(Engine *engine, uint32_t index, uint64_t *stats, LoopHook on_wake, LoopHook on_tick) noexcept nogil:
    cdef int error
    memset(engine, 0, sizeof(Engine))
    error = loop_init(&engine.loop, on_wake, on_tick, engine)
    if error < 0:
        return error
    engine.index = index
    engine.stats = stats
    engine.loop.stats = stats
    slab_init(&engine.downstreams, sizeof(Http1Downstream))
    slab_init(&engine.http2_downstreams, sizeof(Http2Downstream))
    slab_init(&engine.http2_streams, sizeof(Http2Stream))
    http2_memory_init(&engine.http2_memory)
    slab_init(&engine.upstreams, sizeof(Http1Upstream))
    slab_init(&engine.http2_upstreams, sizeof(Http2Upstream))
    slab_init(&engine.streams, sizeof(Stream))
    slab_init(&engine.attempts, sizeof(Attempt))
    slab_init(&engine.tcp_sessions, sizeof(TcpSession))
    slab_init(&engine.thrift_downstreams, sizeof(ThriftDownstream))
    slab_init(&engine.thrift_calls, sizeof(ThriftCall))
    slab_init(&engine.thrift_upstreams, sizeof(ThriftUpstream))
    slab_init(&engine.thrift_walks, sizeof(ThriftWalk))
    slab_init(&engine.accepted, sizeof(Accepted))
    slab_init(&engine.answerers, sizeof(Answerer))
    batch_init(&engine.batch)
    return 0


cdef void engine_fini(Engine *engine) noexcept nogil:
    cdef uint32_t i
    free_ended(engine)
    for i in range(engine.logs_cap):
        if engine.logs[i] != NULL:
            logfile_fini(engine.logs[i])
            free(engine.logs[i])
    free(engine.logs)
    free(engine.listeners)
    free(engine.places)
    free(engine.clusters)
    free(engine.names)
    loop_fini(&engine.loop)
    slab_fini(&engine.downstreams)
    slab_fini(&engine.http2_downstreams)
    slab_fini(&engine.http2_streams)
    http2_memory_fini(&engine.http2_memory)
    slab_fini(&engine.upstreams)
    slab_fini(&engine.http2_upstreams)
    slab_fini(&engine.streams)
    slab_fini(&engine.attempts)
    slab_fini(&engine.tcp_sessions)
    slab_fini(&engine.thrift_downstreams)
    slab_fini(&engine.thrift_calls)
    slab_fini(&engine.thrift_upstreams)
    slab_fini(&engine.thrift_walks)
    slab_fini(&engine.accepted)
    slab_fini(&engine.answerers)


cdef void free_ended(Engine *engine) noexcept nogil:
    cdef Stream *stream = engine.ended
    cdef Stream *next
    engine.ended = NULL
    while stream != NULL:
        next = stream.next
        stream_free(stream)
        stream = next


cdef void engine_tick(Engine *engine) noexcept nogil:
    # Replies of a batch may end streams and send, and an end enters the batch again (log hooks, views to be told): so the batch until it is
    # empty, with what it sent, and only then the memory.
    while engine.batch.first != NULL and engine.batch.run != NULL:
        engine.batch.run(&engine.batch)
        transport_flush_all(&engine.loop)
    if engine.ended != NULL:
        free_ended(engine)


# --- tables of locals -----------------------------------------------------------------------------------------------


cdef bint make_room(void ***table, uint32_t *cap, uint32_t index) noexcept nogil:
    cdef uint32_t wanted = 8 if cap[0] == 0 else cap[0]
    cdef void **grown
    if index < cap[0]:
        return True
    while wanted <= index:
        wanted *= 2
    grown = <void **>realloc(table[0], wanted * sizeof(void *))
    if grown == NULL:
        return False
    memset(grown + cap[0], 0, (wanted - cap[0]) * sizeof(void *))
    table[0] = grown
    cap[0] = wanted
    return True


cdef void routes_unuse(RouteLocal *routes) noexcept nogil:
    routes.users -= 1
    if routes.users == 0:
        route_table_unref(routes.table)
        free(routes)


cdef RouteLocal *routes_new(RouteTable *table) noexcept nogil:
    # One use belongs to the listener.
    cdef RouteLocal *routes = <RouteLocal *>calloc(1, sizeof(RouteLocal))
    if routes != NULL:
        atomic_ref(&table.refs)
        routes.table = table
        routes.users = 1
    return routes


cdef ListenerLocal *listener_new(Engine *engine, ListenerConf *conf, RouteSet *routes) noexcept nogil:
    # Takes the conf's reference, not that of the routes. NULL: no memory.
    cdef ListenerLocal *listener = <ListenerLocal *>calloc(1, sizeof(ListenerLocal))
    cdef uint32_t i
    if listener == NULL:
        return NULL
    listener.engine = engine
    listener.conf = conf
    listener.users = 1             # the engine's own
    timer_init(&listener.drain_end, on_drain_end, listener)
    listener.chains = <ChainLocal *>calloc(conf.chains_len, sizeof(ChainLocal))
    if listener.chains == NULL:
        free(listener)
        return NULL
    for i in range(conf.chains_len):
        listener.chains[i].listener = listener
        listener.chains[i].conf = &conf.chains[i]
    if not set_routes(listener, routes):
        free_listener(listener)
        return NULL
    return listener


cdef bint set_routes(ListenerLocal *listener, RouteSet *routes) noexcept nogil:
    # What streams use from here on. False: no memory, and some chains keep what they had.
    cdef RouteLocal *fresh
    cdef uint32_t i
    for i in range(routes.len):
        if routes.tables[i] == NULL or (listener.chains[i].routes != NULL and listener.chains[i].routes.table == routes.tables[i]):
            continue
        fresh = routes_new(routes.tables[i])
        if fresh == NULL:
            return False
        if listener.chains[i].routes != NULL:
            routes_unuse(listener.chains[i].routes)
        listener.chains[i].routes = fresh
    return True


cdef void free_listener(ListenerLocal *listener) noexcept nogil:
    cdef uint32_t i
    for i in range(listener.conf.chains_len):
        if listener.chains[i].routes != NULL:
            routes_unuse(listener.chains[i].routes)
    free(listener.chains)
    free(listener.servers)
    free(listener)


cdef void listener_unuse(ListenerLocal *listener) noexcept nogil:
    cdef ListenerConf *conf = listener.conf
    listener.users -= 1
    if listener.users == 0:
        if listener.link != NULL:
            listener.link[0] = listener.next
            if listener.next != NULL:
                listener.next.link = listener.link
        timer_cancel(&listener.engine.loop.wheel, &listener.drain_end)
        free_listener(listener)
        listener_conf_unref(conf)


cdef int engine_set_listener(Engine *engine, ListenerConf *conf, RouteSet *routes, const int *fds, uint32_t n,
                             int backlog) noexcept nogil:
    cdef ListenerLocal *listener = NULL
    cdef uint32_t i
    cdef int error = 0
    if make_room(<void ***>&engine.listeners, &engine.listeners_cap, conf.index):
        listener = listener_new(engine, conf, routes)
    route_set_unref(routes)
    if listener == NULL:
        listener_conf_unref(conf)
        return -ENOMEM
    listener.servers = <Server **>calloc(n, sizeof(Server *))
    for i in range(n):
        if error < 0:
            close(fds[i])
            continue
        listener.servers[i] = server_open(&engine.loop, fds[i], backlog, connection_accept, listener, &error)
        if error == 0:
            listener.servers[i].on_refused = connection_refused
            listener.servers[i].on_accepted = connection_counted
            listener.servers_len += 1
    if error < 0:
        retire_listener(listener)
        return error
    set_servers(listener)
    engine.listeners[conf.index] = listener
    listener_places_build(engine)
    return 0


cdef void set_servers(ListenerLocal *listener) noexcept nogil:
    # How its sockets accept.
    cdef uint32_t i
    for i in range(listener.servers_len):
        listener.servers[i].owner = listener
        listener.servers[i].most = listener.conf.accepts
        listener.servers[i].on_fd = NULL
        if listener.conf.shares != NULL:
            listener.servers[i].on_fd = balance_give


cdef void retire_listener(ListenerLocal *listener) noexcept nogil:
    cdef uint32_t i
    for i in range(listener.servers_len):
        server_close(listener.servers[i])
    listener.servers_len = 0
    accepted_end_all(listener)
    listener.retired = True
    listener.next = listener.engine.retired
    listener.link = &listener.engine.retired
    if listener.next != NULL:
        listener.next.link = &listener.next
    listener.engine.retired = listener
    drain_start(listener)
    if listener.engine.drain_gradual and listener.engine.drain_ms:
        wheel_arm(&listener.engine.loop.wheel, &listener.drain_end, clock_ms(&listener.engine.loop.clock) + listener.engine.drain_ms)
    else:
        connections_drain(listener)
    listener_unuse(listener)


cdef void on_drain_end(Timer *timer) noexcept nogil:
    connections_abort(<ListenerLocal *>timer.owner)


cdef void engine_update_listener(Engine *engine, ListenerConf *conf, RouteSet *routes) noexcept nogil:
    # The sockets move to the new local, and so do the connections of chains that both have; the others finish what they do.
    cdef ListenerLocal *old = engine.listeners[conf.index]
    cdef ListenerLocal *listener = listener_new(engine, conf, routes)
    route_set_unref(routes)
    if listener == NULL:
        listener_conf_unref(conf)
        return
    listener.servers = old.servers
    listener.servers_len = old.servers_len
    set_servers(listener)
    old.servers = NULL
    old.servers_len = 0
    engine.listeners[conf.index] = listener
    connections_move(old, listener)
    accepted_move(old, listener)
    retire_listener(old)


cdef void engine_set_routes(Engine *engine, uint32_t listener, RouteSet *routes) noexcept nogil:
    if listener < engine.listeners_cap and engine.listeners[listener] != NULL:
        set_routes(engine.listeners[listener], routes)
    route_set_unref(routes)


cdef void engine_drop_listener(Engine *engine, uint32_t index) noexcept nogil:
    cdef ListenerLocal *listener
    if index < engine.listeners_cap and engine.listeners[index] != NULL:
        listener = engine.listeners[index]
        engine.listeners[index] = NULL
        listener_places_build(engine)
        retire_listener(listener)


cdef void stop_servers(ListenerLocal *listener) noexcept nogil:
    cdef uint32_t n
    for n in range(listener.servers_len):
        server_close(listener.servers[n])
    listener.servers_len = 0


cdef void engine_stop_listening(Engine *engine) noexcept nogil:
    cdef uint32_t i
    for i in range(engine.listeners_cap):
        if engine.listeners[i] != NULL:
            stop_servers(engine.listeners[i])


cdef void engine_stop_listener(Engine *engine, uint32_t index) noexcept nogil:
    if index < engine.listeners_cap and engine.listeners[index] != NULL:
        stop_servers(engine.listeners[index])


cdef void engine_set_backlog(Engine *engine, uint32_t index, int backlog) noexcept nogil:
    cdef uint32_t n
    if index < engine.listeners_cap and engine.listeners[index] != NULL:
        for n in range(engine.listeners[index].servers_len):
            server_set_backlog(engine.listeners[index].servers[n], backlog)


cdef void engine_drain_listener(Engine *engine, uint32_t index) noexcept nogil:
    if index < engine.listeners_cap and engine.listeners[index] != NULL:
        drain_start(engine.listeners[index])


cdef void engine_drain(Engine *engine) noexcept nogil:
    cdef ListenerLocal *listener = engine.retired
    cdef ListenerLocal *next
    cdef uint32_t i
    engine.draining = True
    for i in range(engine.listeners_cap):
        if engine.listeners[i] != NULL:
            connections_drain(engine.listeners[i])
    while listener != NULL:
        next = listener.next
        connections_drain(listener)
        listener = next


cdef void engine_abort(Engine *engine) noexcept nogil:
    cdef uint32_t i
    cdef ListenerLocal *listener = engine.retired
    cdef ListenerLocal *next
    engine_stop_listening(engine)
    while engine.own != NULL:
        own_stream_end(engine.own)
    shadows_end(engine)
    while listener != NULL:
        next = listener.next
        connections_abort(listener)
        listener = next
    for i in range(engine.listeners_cap):
        if engine.listeners[i] != NULL:
            connections_abort(engine.listeners[i])
            accepted_end_all(engine.listeners[i])
            engine_drop_listener(engine, i)
    for i in range(engine.clusters_cap):
        engine_drop_cluster(engine, i)


# --- clusters -------------------------------------------------------------------------------------------------------


cdef void cluster_unuse(ClusterLocal *cluster) noexcept nogil:
    cluster.users -= 1
    if cluster.users == 0:
        queue_fini(cluster)
        original_dst_fini(cluster)
        aggregate_fini(cluster)
        balancer_fini(&cluster.balancer)
        host_set_unref(cluster.hosts)
        cluster_conf_unref(cluster.conf)
        own_pools_fini(cluster)
        free(cluster.pools)
        free(cluster.thrift_pools)
        free(cluster)


cdef void retire_pools(ClusterLocal *cluster) noexcept nogil:
    cdef uint32_t i
    for i in range(cluster.pools_cap):
        if cluster.pools[i] != NULL:
            pool_retire(cluster.pools[i])
    own_pools_retire(cluster)
    for i in range(cluster.thrift_pools_cap):
        pools_retire(cluster, i, NULL)


cdef void retire_cluster(ClusterLocal *cluster) noexcept nogil:
    cluster.retired = True
    retire_pools(cluster)
    cluster_unuse(cluster)


cdef void engine_set_cluster(Engine *engine, ClusterConf *conf, HostSet *hosts) noexcept nogil:
    cdef ClusterLocal *cluster = <ClusterLocal *>calloc(1, sizeof(ClusterLocal))
    if cluster == NULL or not make_room(<void ***>&engine.clusters, &engine.clusters_cap, conf.index):
        free(cluster)
        cluster_conf_unref(conf)
        host_set_unref(hosts)
        return
    cluster.engine = engine
    cluster.conf = conf
    cluster.users = 1
    cluster.hosts = hosts
    queue_init(cluster)
    balancer_init(&cluster.balancer, &conf.lb, &engine.loop.random, &engine.loop.clock, engine.stats)
    balancer_reset(&cluster.balancer, hosts)
    engine.hosts_epoch += 1
    if conf.aggregate != NULL and not aggregate_init(cluster) or conf.original_dst != NULL and not original_dst_init(cluster):
        cluster_unuse(cluster)
        return
    if engine.clusters[conf.index] != NULL:
        retire_cluster(engine.clusters[conf.index])
    engine.clusters[conf.index] = cluster
    add_name(engine, conf.index)


cdef void engine_set_hosts(Engine *engine, uint32_t index, HostSet *hosts) noexcept nogil:
    # Pools of hosts that stay keep their connections; those of hosts that left are retired.
    cdef ClusterLocal *cluster
    cdef HostSet *old
    if index >= engine.clusters_cap or engine.clusters[index] == NULL:
        host_set_unref(hosts)
        return
    cluster = engine.clusters[index]
    old = cluster.hosts
    cluster.hosts = hosts
    engine.hosts_epoch += 1
    balancer_reset(&cluster.balancer, hosts)
    if old != NULL:
        retire_missing(cluster, old, hosts)
        host_set_unref(old)


cdef void retire_missing(ClusterLocal *cluster, HostSet *old, HostSet *hosts) noexcept nogil:
    # A host that is in the new set has its pointer at its slot there: one look each, via a table of the new slots.
    cdef Host **by_slot
    cdef uint32_t i
    if cluster.conf.drains_on_change and hosts.len > old.len:
        retire_pools(cluster)
        return
    by_slot = <Host **>calloc(hosts.slots + 1, sizeof(Host *))
    if by_slot == NULL:
        return
    for i in range(hosts.len):
        by_slot[hosts.hosts[i].slot] = hosts.hosts[i]
    for i in range(old.len):
        if old.hosts[i].slot < hosts.slots and by_slot[old.hosts[i].slot] == old.hosts[i]:
            continue
        cluster_retire_host(cluster, old.hosts[i].slot, old.hosts[i])
        if cluster.conf.drains_on_change:
            retire_pools(cluster)
            break
    free(by_slot)


cdef void cluster_retire_host(ClusterLocal *cluster, uint32_t slot, Host *host) noexcept nogil:
    # host NULL: whichever has the slot.
    cdef uint32_t at
    cdef uint32_t i
    for i in range(POOLS_PER_HOST):
        at = slot * POOLS_PER_HOST + i
        if at < cluster.pools_cap and cluster.pools[at] != NULL and (host == NULL or cluster.pools[at].host == host):
            pool_retire(cluster.pools[at])
    own_pools_retire_at(cluster, slot, host)
    pools_retire(cluster, slot, host)


cdef void engine_drain_host(Engine *engine, uint32_t index, uint32_t slot) noexcept nogil:
    cdef ClusterLocal *cluster = engine.clusters[index] if index < engine.clusters_cap else NULL
    cdef ListenerLocal *listener = engine.retired
    cdef uint32_t i
    if cluster == NULL:
        return
    cluster_retire_host(cluster, slot, NULL)
    if not cluster.conf.cuts_on_failure:
        return
    while listener != NULL:
        tcp_host_failed(listener, cluster, slot)
        listener = listener.next
    for i in range(engine.listeners_cap):
        if engine.listeners[i] != NULL:
            tcp_host_failed(engine.listeners[i], cluster, slot)


cdef void engine_drop_cluster(Engine *engine, uint32_t index) noexcept nogil:
    cdef ClusterLocal *cluster
    if index < engine.clusters_cap and engine.clusters[index] != NULL:
        cluster = engine.clusters[index]
        engine.clusters[index] = NULL
        engine.hosts_epoch += 1
        retire_cluster(cluster)


cdef uint32_t *name_slot(Engine *engine, Span name) noexcept nogil:
    # Open addressing: where the name stands, or the empty place where it belongs. An index keeps its name for ever (conf indexes are
    # given out by name), so entries are never removed.
    cdef uint32_t at = <uint32_t>xxhash64(name.at, name.len, 0) & (engine.names_cap - 1)
    cdef uint32_t index
    while engine.names[at] != 0:
        index = engine.names[at] - 1
        if engine.clusters[index] != NULL and span_equal(engine.clusters[index].conf.name, name):
            break
        at = (at + 1) & (engine.names_cap - 1)
    return &engine.names[at]


cdef bint add_name(Engine *engine, uint32_t index) noexcept nogil:
    cdef uint32_t *old = engine.names
    cdef uint32_t cap = engine.names_cap
    cdef uint32_t i
    cdef uint32_t *slot
    if 2 * (engine.names_len + 1) > cap:
        engine.names = <uint32_t *>calloc(64 if cap == 0 else 2 * cap, sizeof(uint32_t))
        if engine.names == NULL:
            engine.names = old
            return False
        engine.names_cap = 64 if cap == 0 else 2 * cap
        engine.names_len = 0
        for i in range(cap):
            if old[i] != 0 and engine.clusters[old[i] - 1] != NULL and old[i] - 1 != index:
                add_name(engine, old[i] - 1)
        free(old)
    slot = name_slot(engine, engine.clusters[index].conf.name)
    if slot[0] == 0:
        slot[0] = index + 1
        engine.names_len += 1
    return True


cdef ClusterLocal *engine_find_cluster(Engine *engine, Span name) noexcept nogil:
    cdef uint32_t *slot
    if engine.names_cap == 0:
        return NULL
    slot = name_slot(engine, name)
    return NULL if slot[0] == 0 else engine.clusters[slot[0] - 1]


# --- logs, clock, liveness ------------------------------------------------------------------------------------------


cdef void engine_set_log(Engine *engine, uint32_t index, int fd) noexcept nogil:
    cdef LogFile *file
    if not make_room(<void ***>&engine.logs, &engine.logs_cap, index):
        return
    if engine.logs[index] != NULL:
        engine.logs[index].fd = fd
        return
    file = <LogFile *>calloc(1, sizeof(LogFile))
    if file != NULL:
        logfile_init(file, &engine.loop, fd)
        engine.logs[index] = file


cdef void engine_flush_logs(Engine *engine) noexcept nogil:
    cdef uint32_t i
    for i in range(engine.logs_cap):
        if engine.logs[i] != NULL:
            logfile_flush(engine.logs[i])


cdef bint engine_logs_busy(Engine *engine) noexcept nogil:
    cdef uint32_t i
    for i in range(engine.logs_cap):
        if engine.logs[i] != NULL and logfile_busy(engine.logs[i]):
            return True
    return False


cdef const char *engine_date(Engine *engine) noexcept nogil:
    cdef uint64_t second = <uint64_t>clock_wall_us(&engine.loop.clock) // 1000000
    cdef time_t when = <time_t>second
    cdef tm parts
    if second != engine.date_s:
        engine.date_s = second
        gmtime_r(&when, &parts)
        strftime(engine.date, sizeof(engine.date), b"%a, %d %b %Y %H:%M:%S GMT", &parts)
    return engine.date


cdef uint64_t engine_live(Engine *engine) noexcept nogil:
    return <uint64_t>engine.downstreams.live + engine.http2_downstreams.live + engine.http2_streams.live \
        + engine.upstreams.live + engine.http2_upstreams.live + engine.streams.live + engine.attempts.live \
        + engine.thrift_downstreams.live + engine.thrift_calls.live + engine.thrift_upstreams.live \
        + engine.tcp_sessions.live + engine.accepted.live + engine.answerers.live + engine.loop.handles
