"""Builds a cluster's immutable table from the plan (spec.py); see cluster_table.pxd for the law.

A cluster's host set is apart, because it can be replaced alone. Statistics get their slots here, by the names in stat_names.py.
"""
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport calloc

from meshcore.base.arena cimport Arena, arena_init
from meshcore.base.atomics cimport atomic_load, atomic_ref, atomic_store
from meshcore.bind.cluster_hosts cimport ClusterHosts
from meshcore.bind.cluster_routing cimport fill_routing
from meshcore.bind.http_conf cimport fill_http1, fill_http2, take_http2_stats
from meshcore.bind.load_balancer cimport compile_balancer, keep_all
from meshcore.bind.matchers cimport keep, keep_lower, take
from meshcore.bind.metadata cimport metadata_fill
from meshcore.bind.outlier cimport OutlierInbox, outlier_conf
from meshcore.bind.runtime cimport RuntimeCells
from meshcore.bind.sockets cimport compile_dial, compile_proxy_out
from meshcore.bind.stat_groups cimport take_stats
from meshcore.bind.stats cimport Group, Layout, StatsRegistry
from meshcore.bind.thrift_filters cimport thrift_protocol_of, thrift_transport_of
from meshcore.bind.tls_slot cimport cluster_tls_fill, tls_slot_replace
from meshcore.bind.tracking cimport fill_tracking
from meshcore.cluster.breaker cimport *
from meshcore.conf.stat_ids cimport CLUSTER_LB_HEALTHY_PANIC
from meshcore.conf.tables cimport *
from meshcore.conf.tls cimport TlsSlot

from meshcore.bind import stat_names

HTTP2_BY_CHOICE = ("http2", "downstream")
PROTOCOLS = {"http1": UPSTREAM_HTTP1, "http2": UPSTREAM_HTTP2, "downstream": UPSTREAM_AS_DOWNSTREAM, "auto": UPSTREAM_AUTO}
OWN_REFS = 2                       # of a ClusterConf: its table's, and that of its ClusterHosts
NO_LIMIT = 2**32 - 1               # of connection pools, and of connections to one host
BREAKER_KEYS = ("max_connections", "max_pending_requests", "max_requests", "max_retries", "max_connection_pools")

cdef Layout cluster_layout = Layout(
    stat_names.members(stat_names.CLUSTER, stat_names.LAZY, stat_names.CLUSTER_CODES, stat_names.CLUSTER_TIMES, stat_names.CLUSTER_HOSTS))


def name_cluster(StatsRegistry registry, str prefix):
    """The statistics below `cluster.<name>.` are there, before the cluster is; the caller owns them until it releases `prefix`."""
    registry.group(prefix, cluster_layout)


cdef int fill_breakers(object spec, Breaker *breakers) except -1:
    for i, limits in enumerate((spec.default, spec.high)):
        breakers[i].limit[RESOURCE_CONNECTIONS] = limits.max_connections
        breakers[i].limit[RESOURCE_PENDING] = limits.max_pending_requests
        breakers[i].limit[RESOURCE_REQUESTS] = limits.max_requests
        breakers[i].limit[RESOURCE_RETRIES] = limits.max_retries
        breakers[i].limit[RESOURCE_POOLS] = NO_LIMIT if limits.max_connection_pools is None else limits.max_connection_pools
        breakers[i].limit_per_host = NO_LIMIT if limits.max_connections_per_host is None else limits.max_connections_per_host
        breakers[i].budget = -1 if limits.retry_budget is None else limits.retry_budget[0] / 100
        breakers[i].budget_least = 0 if limits.retry_budget is None else limits.retry_budget[1]
    return 0


cdef int breakers_follow(Breaker *breaker, object limits, RuntimeCells runtime, str prefix) except -1:
    for resource, key in enumerate(BREAKER_KEYS):
        value = runtime.said(prefix + key)
        configured = getattr(limits, key)
        number = (NO_LIMIT if configured is None else configured) if value is None or value.integer is None else value.integer
        atomic_store(&breaker.limit[<int>resource], number)
    percent, least = runtime.said(prefix + "retry_budget.budget_percent"), runtime.said(prefix + "retry_budget.min_retry_concurrency")
    if limits.retry_budget is not None:
        breaker.budget = (limits.retry_budget[0] if percent is None or percent.number is None else percent.number) / 100
        breaker.budget_least = limits.retry_budget[1] if least is None or least.integer is None else least.integer
    return 0


cdef QueueConf *queue_of(Arena *arena, object spec) except NULL:
    cdef QueueConf *queue = <QueueConf *>take(arena, sizeof(QueueConf))
    queue.most = spec.max_waiting
    queue.deadline_ms = spec.deadline_ms
    queue.adaptive = spec.adaptive
    queue.target_ms = spec.target_ms
    queue.interval_ms = spec.interval_ms
    return queue


cdef OriginalDstConf *original_dst_of(Arena *arena, object spec, Group group) except NULL:
    cdef OriginalDstConf *conf = <OriginalDstConf *>take(arena, sizeof(OriginalDstConf))
    conf.header = keep_lower(arena, spec.header)
    conf.namespace = keep(arena, spec.namespace)
    conf.path = keep_all(arena, spec.path)
    conf.path_len = len(spec.path)
    conf.port = spec.port
    conf.cleanup_ms = max(1, spec.cleanup_ms)
    for i, name in enumerate(("membership_total", "membership_healthy")):
        conf.members[<int>i] = group.slot_of(name)
    return conf


cdef AggregateConf *aggregate_of(Arena *arena, tuple names, dict cluster_index) except NULL:
    cdef AggregateConf *conf = <AggregateConf *>take(arena, sizeof(AggregateConf))
    conf.members = <uint32_t *>take(arena, len(names) * sizeof(uint32_t))
    conf.members_len = <uint32_t>len(names)
    for i, name in enumerate(names):
        conf.members[<int>i] = cluster_index.setdefault(name, len(cluster_index))
    return conf


cdef tuple latest_limits = (None, None)


cdef tuple limits_of(object spec):
    # Clusters of a kind, which come one after the other, share theirs: 10,000 of them are mostly one.
    global latest_limits
    if latest_limits[0] is not spec.default or latest_limits[1] is not spec.high:
        latest_limits = (spec.default, spec.high)
    return latest_limits


cdef class ClusterTable:
    """A cluster's settings, compiled, and the identity of its hosts over all its host sets."""

    def __cinit__(self, spec, uint32_t index, StatsRegistry registry, OutlierInbox inbox=None, dict cluster_index=None):
        cdef ClusterConf *conf = <ClusterConf *>calloc(1, sizeof(ClusterConf))
        cdef Group group
        if conf == NULL:
            raise MemoryError
        arena_init(&conf.arena, NULL)
        conf.refs = 1
        self.conf = conf
        conf.index = index
        conf.name = keep(&conf.arena, spec.name)
        conf.stat_name = keep(&conf.arena, spec.alt_stat_name or spec.name)
        conf.from_zone = keep(&conf.arena, spec.own_locality.zone)
        if spec.metadata is not None:
            metadata_fill(&conf.arena, spec.metadata, &conf.metadata)
        prefix = f"cluster.{spec.alt_stat_name or spec.name}."
        self.owned = []
        group = take_stats(registry, prefix, cluster_layout, self.owned, CLUSTER_STATS, conf.stats)
        conf.codes = group.slot_of("upstream_rq_")
        conf.external_codes = group.slot_of("external.upstream_rq_")
        conf.internal_codes = group.slot_of("internal.upstream_rq_")
        conf.retried_codes = group.slot_of("retry.upstream_rq_")
        conf.canary_codes = group.slot_of("canary.upstream_rq_")
        conf.rq_time = group.slot_of("upstream_rq_time")
        conf.external_rq_time = group.slot_of("external.upstream_rq_time")
        conf.internal_rq_time = group.slot_of("internal.upstream_rq_time")
        conf.cx_connect_ms = group.slot_of("upstream_cx_connect_ms")
        conf.cx_length_ms = group.slot_of("upstream_cx_length_ms")
        compile_balancer(&conf.arena, &conf.regexes, spec.lb, spec.healthy_panic_threshold, registry.runtime, &conf.lb)
        conf.lb.stats = &conf.stats[CLUSTER_LB_HEALTHY_PANIC]
        conf.thrift_rq_time = group.slot_of("thrift.upstream_rq_time")
        conf.thrift_rq_size = group.slot_of("thrift.upstream_rq_size")
        conf.thrift_rs_size = group.slot_of("thrift.upstream_resp_size")
        conf.thrift_transport = thrift_transport_of(spec.thrift_transport)
        conf.thrift_protocol = thrift_protocol_of(spec.thrift_protocol)
        conf.tcp_idle_ms = spec.tcp_idle_timeout_ms
        conf.connect_ms = spec.connect_timeout_ms
        conf.idle_ms = spec.idle_timeout_ms
        conf.max_connection_ms = spec.max_connection_duration_ms
        conf.max_stream_ms = spec.max_stream_duration_ms
        conf.max_requests = spec.max_requests_per_connection
        conf.buffer_limit = spec.buffer_limit
        fill_http1(spec, spec.http1, &conf.http1)
        conf.http1.max_head_bytes = spec.max_response_headers_bytes
        conf.http1.max_headers = min(spec.max_response_headers_count, 1024)
        fill_http2(spec, spec.http2, &conf.http1, &conf.http2)
        conf.protocol = PROTOCOLS[spec.protocol]
        if conf.protocol != UPSTREAM_HTTP1:
            take_http2_stats(registry, f"{prefix}http2.", self.owned, conf.http2_stats)
        conf.send_full_url = spec.http1.send_fully_qualified_url
        if spec.tcp_keepalive is not None:
            conf.keepalive = True
            conf.keepalive_probes, conf.keepalive_time_s, conf.keepalive_interval_s = spec.tcp_keepalive
        compile_dial(&conf.arena, spec.dial, &conf.dial)
        if spec.proxy_out is not None:
            conf.says = compile_proxy_out(&conf.arena, spec.proxy_out)
        cluster_tls_fill(conf, spec, registry, prefix, self.owned)
        if spec.queue is not None:
            conf.queue = queue_of(&conf.arena, spec.queue)
        if spec.original_dst is not None:
            conf.original_dst = original_dst_of(&conf.arena, spec.original_dst, group)
        if spec.kind == "aggregate":
            conf.aggregate = aggregate_of(&conf.arena, spec.aggregate, cluster_index)
        conf.breakers = <Breaker *>take(&conf.arena, 2 * sizeof(Breaker))
        fill_breakers(spec, conf.breakers)
        conf.lb.breakers = conf.breakers
        self.hosts = ClusterHosts(spec)
        self.hosts.conf = conf
        atomic_ref(&conf.refs)
        self.hosts.lb = &conf.lb
        self.hosts.cells = registry.runtime
        if inbox is not None:
            conf.outlier = outlier_conf(&conf.arena, spec, registry.runtime)
            self.hosts.outlier = conf.outlier
            self.hosts.inbox = inbox
        self.limits = limits_of(spec)
        fill_routing(conf, spec, registry.runtime, cluster_index)
        fill_tracking(conf, spec, registry, prefix, self.owned)
        conf.use_retry = registry.runtime.cell("upstream.use_retry")
        conf.base_backoff_ms = registry.runtime.cell("upstream.base_retry_backoff_ms")
        if registry.runtime.values:
            self.follow_runtime(registry.runtime)
        registry.computed(prefix, self)

    def __dealloc__(self):
        cluster_conf_unref(self.conf)

    def follow_runtime(self, RuntimeCells runtime):
        """Takes what runtime keys say of this cluster: its circuit breakers, whether it is under maintenance, and whether its next
        connections may be HTTP/2 where the configuration says so."""
        name = self.conf.name.at[:self.conf.name.len].decode()
        share = runtime.said(f"upstream.maintenance_mode.{name}")
        atomic_store(&self.conf.maintenance, min(100, share.integer) if share is not None and share.integer is not None else 0)
        for i, priority in enumerate(("default", "high")):
            breakers_follow(&self.conf.breakers[<int>i], self.limits[i], runtime, f"circuit_breakers.{name}.{priority}.")
        protocol = self.hosts.spec.protocol
        if protocol in HTTP2_BY_CHOICE:
            self.conf.protocol = PROTOCOLS[protocol] if runtime.enabled("upstream.use_http2", 100) else UPSTREAM_HTTP1

    def swap_tls(self, spec, StatsRegistry registry, int match=-1):
        """New connections use this TLS context, of the cluster or of one of its transport_socket_matches; what comes back may go when every
        worker has passed between two events."""
        cdef TlsSlot *slot = self.conf.tls if match < 0 else self.conf.sockets[match]
        prefix = f"cluster.{self.conf.stat_name.at[:self.conf.stat_name.len].decode()}."
        return tls_slot_replace(slot, spec, registry, prefix, self.owned)

    def in_use(self):
        """Whether a worker or a request still has it."""
        return atomic_load(&self.conf.refs) > OWN_REFS

    def gauges(self):
        """What StatsRegistry.computed asks for; so is `counters`."""
        found = self.breaker_gauges()
        if self.hosts.spec.track_endpoints:
            found.update(self.hosts.endpoint_stats()[1])
        return found

    def counters(self):
        return self.hosts.endpoint_stats()[0] if self.hosts.spec.track_endpoints else {}

    def breaker_gauges(self):
        """{stat: value} of the circuit breakers of both priorities, below the cluster's name."""
        cdef Breaker *breaker
        cdef int64_t used
        found = {}
        for i, priority in enumerate(("default", "high")):
            breaker = &self.conf.breakers[<int>i]
            for resource, (kind, remaining) in enumerate(stat_names.BREAKERS):
                used = atomic_load(&breaker.used[<int>resource])
                most = breaker_most(breaker, resource)
                found[f"circuit_breakers.{priority}.{kind}_open"] = int(used > 0 and used >= most)
                tracked = self.limits[i].track_remaining and (resource != RESOURCE_RETRIES or breaker.budget < 0)
                left = max(0, most - used) if tracked else 0
                found[f"circuit_breakers.{priority}.remaining_{remaining}"] = left
        return found
