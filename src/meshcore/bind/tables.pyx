"""Builds a listener's immutable table from the plan (spec.py). Main thread, with the GIL; publication is bind/worker.pyx.

A table is one arena: strings are copied into it, so nothing points back into Python. A listener's route tables are apart, because they can
be replaced alone. Statistics get their slots here, by the names in stat_names.py.
"""
from libc.stdint cimport uint16_t, uint32_t
from libc.stdlib cimport calloc

from meshcore.base.arena cimport Arena, arena_init
from meshcore.base.atomics cimport atomic_load
from meshcore.base.span cimport Span
from meshcore.bind.address cimport address_fill
from meshcore.bind.chain_index cimport compile_chains
from meshcore.bind.cluster_routing cimport resolve_mirrors
from meshcore.bind.filter_set cimport FilterSet, filter_set
from meshcore.bind.http_conf cimport fill_hcm
from meshcore.bind.listener_filters cimport compile_listener_filters, compile_network_filters
from meshcore.bind.load_balancer cimport compile_criteria, compile_hash_policy
from meshcore.bind.logs cimport compile_logs
from meshcore.bind.match_trees cimport compile_tree
from meshcore.bind.matchers cimport keep, take
from meshcore.bind.metadata cimport metadata_fill
from meshcore.bind.pyfilter cimport keep_alive
from meshcore.bind.routes cimport routes_compile
from meshcore.bind.sockets cimport shares_of, tally_of, tlvs_of
from meshcore.bind.stat_groups cimport take_stats
from meshcore.bind.stats cimport Group, Layout, StatsRegistry
from meshcore.bind.tcp cimport compile_tunnel
from meshcore.bind.thrift_filters cimport compile_thrift_filters, compile_thrift_retry, thrift_protocol_of, thrift_transport_of
from meshcore.bind.thrift_routes cimport thrift_routes_compile
from meshcore.bind.tls_slot cimport tls_slot_fill, tls_slot_replace, tls_stats_of
from meshcore.conf.stat_ids cimport LISTENER_CX_TLS_TIMEOUT
from meshcore.conf.tables cimport *
from meshcore.conf.tls cimport TlsSlot
from meshcore.io.listener cimport ACCEPTS
from meshcore.observe.record cimport *
from meshcore.route.criteria cimport Criteria
from meshcore.route.scope_index cimport ScopeIndex
from meshcore.route.table cimport SCOPE_RQ_COMPLETED, SCOPE_STATS, Route, RouteTable, Scope, VirtualHost

from meshcore.bind import stat_names
from meshcore.bind.listener_spec import ChainMatch

ANY_CONNECTION = ChainMatch()
cdef Layout listener_layout = Layout(stat_names.members(stat_names.LISTENER, times=stat_names.LISTENER_TIMES))
cdef Layout thrift_layout = Layout(stat_names.members(stat_names.THRIFT, times=stat_names.THRIFT_TIMES))
cdef Layout tcp_layout = Layout(stat_names.members(stat_names.TCP))
cdef Layout listener_http_layout = Layout(stat_names.members(stat_names.LISTENER_HTTP))
cdef Layout scope_layout = Layout(
    stat_names.members(stat_names.SCOPE, stat_names.SCOPE[SCOPE_RQ_COMPLETED:], stat_names.SCOPE_CODES, stat_names.SCOPE_TIMES))


# --- listeners ------------------------------------------------------------------------------------------------------


cdef str text_of(Span name):
    return name.at[:name.len].decode()


cdef int fill_scope(StatsRegistry registry, str prefix, list owned, Scope *scope) except -1:
    cdef Group group = take_stats(registry, prefix, scope_layout, owned, SCOPE_STATS, scope.stats)
    scope.codes = group.slot_of("upstream_rq_")
    scope.rq_time = group.slot_of("upstream_rq_time")
    return 0


cdef int resolve_scopes(VirtualHost *host, StatsRegistry registry, list owned) except -1:
    # What virtual clusters and routes with a stat_prefix count.
    cdef uint32_t i
    prefix = f"vhost.{text_of(host.name)}."
    for i in range(host.clusters_len):
        fill_scope(registry, f"{prefix}vcluster.{text_of(host.clusters[i].name)}.", owned, &host.clusters[i].scope)
    for i in range(host.routes_len):
        if host.routes[i].scope != NULL:
            fill_scope(registry, f"{prefix}route.{text_of(host.routes[i].stat_prefix)}.", owned, host.routes[i].scope)
    return 0


cdef int resolve_routes(RouteTable *routes, dict cluster_index, StatsRegistry registry, list owned) except -1:
    # Names become indexes: of clusters in every worker, of statistics.
    cdef Route *route
    cdef uint32_t i
    cdef uint32_t n
    cdef uint32_t c
    cdef const ScopeIndex *scopes = <const ScopeIndex *>routes.scopes
    for i in range(scopes.scopes_len if scopes != NULL else 0):
        resolve_routes(scopes.scopes[i].table, cluster_index, registry, owned)
    for i in range(routes.hosts_len):
        resolve_scopes(&routes.hosts[i], registry, owned)
        for n in range(routes.hosts[i].routes_len):
            route = &routes.hosts[i].routes[n]
            for c in range(route.choices_len):
                if route.choices[c].name.len == 0:
                    continue
                name = route.choices[c].name.at[:route.choices[c].name.len].decode()
                route.choices[c].index = cluster_index.setdefault(name, len(cluster_index))
            resolve_mirrors(route.mirrors, route.mirrors_len, cluster_index)
    return 0


cdef class ListenerTable:
    """A listener's settings and its route table, compiled.

    `index`: the listener's slot in every worker. `cluster_index` (name -> slot) and `files` (log path -> slot) grow as names are met.
    `node`: (cluster, id) of the process. `kept`: for each chain its place in the table that this one replaces, None where connections
    would notice a difference.
    """

    def __cinit__(self, spec, uint32_t index, StatsRegistry registry, dict cluster_index, dict files, tuple node, str stat_name,
                  kept=()):
        cdef ListenerConf *conf = <ListenerConf *>calloc(1, sizeof(ListenerConf))
        cdef Group group
        if conf == NULL:
            raise MemoryError
        arena_init(&conf.arena, NULL)
        conf.refs = 1
        self.conf = conf
        conf.index = index
        conf.name = keep(&conf.arena, spec.name)
        address_fill(spec.address, &conf.address)
        conf.more = <IpAddress *>take(&conf.arena, len(spec.additional_addresses) * sizeof(IpAddress))
        conf.more_len = len(spec.additional_addresses)
        for i, address in enumerate(spec.additional_addresses):
            address_fill(address, &conf.more[<int>i])
        conf.hand_over = spec.use_original_dst
        conf.open = tally_of(spec.name)
        if spec.exact_balance:
            conf.shares = shares_of(spec.name, registry)
        conf.accepts = spec.accepts_at_once or ACCEPTS
        conf.most = registry.runtime.cell(f"envoy.resource_limits.listener.{spec.name}.connection_limit")
        if not spec.ignore_global_limit:
            conf.most_of_all = registry.runtime.cell("overload.global_downstream_max_connections")
        conf.buffer_limit = spec.buffer_limit
        conf.modify_only = spec.drain_modify_only
        metadata_fill(&conf.arena, spec.metadata or {}, &conf.metadata)
        self.prefix = f"listener.{stat_name}."
        self.owned = []
        group = take_stats(registry, self.prefix, listener_layout, self.owned, LISTENER_STATS, conf.stats)
        conf.cx_length = group.slot_of("downstream_cx_length_ms")
        conf.accepted_at_once = group.slot_of("connections_accepted_per_socket_event")
        conf.logs = compile_logs(&conf.arena, spec.access_logs, files, registry.runtime, &conf.regexes)
        conf.logs_len = len(spec.access_logs)
        self.routes = route_set_new(len(spec.chains))
        if self.routes == NULL:
            raise MemoryError
        conf.chains = <ChainConf *>take(&conf.arena, len(spec.chains) * sizeof(ChainConf))
        conf.chains_len = len(spec.chains)
        conf.filters = compile_listener_filters(&conf.arena, spec.filters, registry, self.owned)
        conf.filters_len = len(spec.filters)
        conf.filters_ms = spec.filters_timeout_ms
        conf.filters_continue = spec.filters_continue
        keep_on = []
        for i, chain in enumerate(spec.chains):
            conf.chains[<int>i].name = keep(&conf.arena, chain.name)
            metadata_fill(&conf.arena, chain.metadata or {}, &conf.chains[<int>i].metadata)
            if chain.tls is not None:
                conf.chains[<int>i].tls = self.tls_slot(chain, registry)
            conf.chains[<int>i].filters = compile_network_filters(
                &conf.arena, chain.filters, (spec.name, chain.name, chain.match), registry, self.owned, &conf.regexes,
                &conf.chains[<int>i].filters_len)
            conf.chains[<int>i].guarded = any(one.kind == "rbac" for one in chain.filters)
            conf.chains[<int>i].by_server_name = any(one.kind == "sni_cluster" for one in chain.filters)
            if chain.echo or chain.text is not None:
                conf.chains[<int>i].kind = CHAIN_ECHO if chain.echo else CHAIN_DIRECT
                conf.chains[<int>i].text = keep(&conf.arena, chain.text or b"")
            elif chain.thrift is not None:
                self.fill_thrift(chain.thrift, &conf.chains[<int>i], registry, cluster_index, files, node)
            elif chain.tcp is not None:
                self.fill_tcp(chain.tcp, &conf.chains[<int>i], registry, cluster_index, files)
            else:
                self.fill_http(chain.hcm, i, registry, cluster_index, files, node, keep_on)
        keep_alive(conf, keep_on)
        for i, place in enumerate(kept):
            conf.chains[<int>i].was = 0 if place is None else 1 + place
        conf.fallback = next((i + 1 for i, chain in enumerate(spec.chains) if chain.fallback), 0)
        if spec.matcher is not None:
            conf.matcher = compile_tree(&conf.arena, &conf.regexes, spec.matcher)
        elif len(spec.chains) > 1 or spec.chains[0].match != ANY_CONNECTION:
            conf.choose = compile_chains(&conf.arena, spec.chains)

    cdef TlsSlot *tls_slot(self, chain, StatsRegistry registry) except NULL:
        # All chains of a listener count TLS together.
        cdef TlsSlot *slot = <TlsSlot *>take(&self.conf.arena, sizeof(TlsSlot))
        if self.tls_stats == NULL:
            self.tls_stats = tls_stats_of(&self.conf.arena, registry, self.prefix, self.owned)
        slot.stats = self.tls_stats
        slot.handshake_ms = chain.handshake_timeout_ms
        slot.timeout_stat = self.conf.stats[LISTENER_CX_TLS_TIMEOUT]
        tls_slot_fill(slot, chain.tls, registry, self.prefix, self.owned)
        return slot

    def swap_tls(self, uint32_t chain, spec, StatsRegistry registry):
        """New connections of the chain use this TLS context; what comes back may go when every worker has passed between two events."""
        return tls_slot_replace(self.conf.chains[chain].tls, spec, registry, self.prefix, self.owned)

    cdef int fill_tcp(self, spec, ChainConf *chain, StatsRegistry registry, dict cluster_index, dict files) except -1:
        cdef Arena *arena = &self.conf.arena
        cdef TcpConf *tcp = <TcpConf *>take(arena, sizeof(TcpConf))
        chain.kind = CHAIN_TCP
        chain.tcp = tcp
        take_stats(registry, f"tcp.{spec.stat_prefix}.", tcp_layout, self.owned, TCP_STATS, tcp.stats)
        tcp.choices = <uint32_t *>take(arena, len(spec.clusters) * sizeof(uint32_t))
        tcp.weights = <uint32_t *>take(arena, len(spec.clusters) * sizeof(uint32_t))
        tcp.criteria = <const Criteria **>take(arena, len(spec.clusters) * sizeof(Criteria *))
        tcp.choices_len = len(spec.clusters)
        for i, (name, weight) in enumerate(spec.clusters):
            tcp.criteria[<int>i] = compile_criteria(arena, spec.wanted[i] if spec.wanted else "")
            tcp.choices[<int>i] = cluster_index.setdefault(name, len(cluster_index))
            tcp.weights[<int>i] = weight
            tcp.total_weight += weight
        tcp.connect_attempts = spec.max_connect_attempts
        tcp.backoff_ms = spec.backoff_base_ms
        tcp.backoff_max_ms = spec.backoff_max_ms
        tcp.waits_for_bytes = spec.waits_for_bytes
        tcp.waits_for_tls = spec.waits_for_tls
        tcp.drain_close = spec.drain_close
        tcp.log_started = spec.log_started
        tcp.tlvs = keep(arena, tlvs_of(spec.proxy_tlvs))
        tcp.early_bytes = spec.max_early_data_bytes
        tcp.duration_jitter = spec.duration_jitter
        tcp.tunnel = compile_tunnel(arena, spec.tunnel)
        tcp.idle_ms = spec.idle_timeout_ms
        tcp.duration_ms = spec.max_duration_ms
        tcp.log_connected = spec.log_connected
        tcp.log_every_ms = spec.log_every_ms
        tcp.hash = compile_hash_policy(arena, &tcp.regexes, spec.hash_policy)
        tcp.logs = compile_logs(arena, spec.access_logs, files, registry.runtime, &tcp.regexes)
        tcp.logs_len = len(spec.access_logs)
        return 0

    cdef int fill_thrift(self, spec, ChainConf *chain, StatsRegistry registry, dict cluster_index, dict files, tuple node) except -1:
        cdef Arena *arena = &self.conf.arena
        cdef ThriftConf *thrift = <ThriftConf *>take(arena, sizeof(ThriftConf))
        cdef Group group
        chain.kind = CHAIN_THRIFT
        chain.thrift = thrift
        group = take_stats(registry, f"thrift.{spec.stat_prefix}.", thrift_layout, self.owned, THRIFT_STATS, thrift.stats)
        thrift.rq_time = group.slot_of("request_time_ms")
        thrift.transport = thrift_transport_of(spec.transport)
        thrift.protocol = thrift_protocol_of(spec.protocol)
        thrift.count_passing = spec.payload_passthrough
        thrift.max_requests = spec.max_requests_per_connection
        thrift.stays_open = not spec.close_on_upstream_error
        thrift.keeps_case = spec.header_keys_preserve_case
        thrift.filters = compile_thrift_filters(arena, &thrift.regexes, registry.runtime, cluster_index, spec.filters, &thrift.filters_len)
        thrift.retry = compile_thrift_retry(arena, spec.retry)
        thrift.routes = thrift_routes_compile(spec.routes, cluster_index, registry.runtime, node[0])
        thrift.logs = compile_logs(arena, spec.access_logs, files, registry.runtime, &thrift.regexes)
        thrift.logs_len = len(spec.access_logs)
        return 0

    cdef int fill_http(self, spec, int chain, StatsRegistry registry, dict cluster_index, dict files, tuple node,
                       list keep_on) except -1:
        cdef HcmConf *hcm = <HcmConf *>take(&self.conf.arena, sizeof(HcmConf))
        cdef FilterSet filters = filter_set(registry, spec, cluster_index, node[0], self.owned)
        self.conf.chains[chain].hcm = hcm
        fill_hcm(&self.conf.arena, spec, hcm, registry, files, node, self.owned)
        filters.fill(&self.conf.arena, hcm, keep_on)
        take_stats(
            registry, f"{self.prefix}http.{spec.stat_prefix}.", listener_http_layout, self.owned, LISTENER_HTTP_STATS, hcm.listener_stats)
        self.routes.tables[chain] = routes_compile(spec.routes, registry.runtime, filters)
        resolve_routes(self.routes.tables[chain], cluster_index, registry, self.owned)
        return 0

    def __dealloc__(self):
        listener_conf_unref(self.conf)
        route_set_unref(self.routes)

    def in_use(self):
        """Whether a worker, a connection or a stream still has it."""
        cdef uint32_t i
        for i in range(self.routes.len):
            if self.routes.tables[i] != NULL and atomic_load(&self.routes.tables[i].refs) > 1:
                return True
        return atomic_load(&self.conf.refs) > 1 or atomic_load(&self.routes.refs) > 1

    def set_port(self, uint16_t port):
        """The port that was bound when the plan said 0."""
        self.conf.address.port = port
