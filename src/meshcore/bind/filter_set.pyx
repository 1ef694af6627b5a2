"""FilterSet; see filter_set.pxd for the law. Here stands the list of native filters: one line each.

A native filter's compile function makes an immutable struct of its settings: of the filter itself, or of the levels that set it for a route
(the least specific first; most filters take the last, some merge them). Everything that is not in the list is a filter in Python.
"""
from libc.stdint cimport uint32_t

from meshcore.bind.filter_compile cimport *
from meshcore.bind.filter_compressor cimport compile_compressor, compile_decompressor
from meshcore.bind.filter_facts cimport *
from meshcore.bind.filter_grpc cimport *
from meshcore.bind.filter_heads cimport *
from meshcore.bind.filter_limits cimport *
from meshcore.bind.filter_ratelimit cimport compile_local_ratelimit, compile_ratelimit
from meshcore.bind.filter_rbac cimport compile_rbac_filter
from meshcore.bind.filter_scope cimport FilterScope
from meshcore.bind.filter_session cimport *
from meshcore.bind.filter_tags cimport *
from meshcore.bind.matchers cimport keep, take
from meshcore.bind.pyfilter cimport python_filter
from meshcore.conf.tables cimport FilterConf
from meshcore.filter.adaptive_concurrency cimport adaptive_concurrency_filter
from meshcore.filter.admission_control cimport admission_control_filter
from meshcore.filter.bandwidth_limit cimport bandwidth_limit_filter
from meshcore.filter.buffer cimport buffer_filter
from meshcore.filter.compressor cimport compressor_filter
from meshcore.filter.decompressor cimport decompressor_filter
from meshcore.filter.fault cimport fault_filter
from meshcore.filter.cors cimport cors_filter
from meshcore.filter.csrf cimport csrf_filter
from meshcore.filter.grpc_http1_bridge cimport grpc_http1_bridge_filter
from meshcore.filter.grpc_http1_reverse_bridge cimport grpc_http1_reverse_bridge_filter
from meshcore.filter.grpc_stats cimport grpc_stats_filter
from meshcore.filter.grpc_web cimport grpc_web_filter
from meshcore.filter.header_mutation cimport header_mutation_filter
from meshcore.filter.header_to_metadata cimport header_to_metadata_filter
from meshcore.filter.health_check cimport health_check_filter
from meshcore.filter.ip_tagging cimport ip_tagging_filter
from meshcore.filter.json_to_metadata cimport json_to_metadata_filter
from meshcore.filter.local_ratelimit cimport local_ratelimit_filter
from meshcore.filter.http cimport FILTERS_MAX, HttpFilterOps
from meshcore.filter.ratelimit cimport ratelimit_filter
from meshcore.filter.rbac cimport rbac_filter
from meshcore.filter.set_filter_state cimport set_filter_state_filter
from meshcore.filter.set_metadata cimport set_metadata_filter
from meshcore.filter.stateful_session cimport stateful_session_filter

ctypedef void *(*Compile)(FilterScope scope, tuple specs) except NULL

cdef struct Native:
    const HttpFilterOps *ops
    Compile compile

cdef enum:
    NATIVE_MAX = 64

cdef Native[NATIVE_MAX] natives
KINDS = {}                         # kind -> place in natives


cdef int native(str kind, const HttpFilterOps *ops, Compile compile) except -1:
    place = len(KINDS)
    assert place < NATIVE_MAX
    natives[<int>place].ops = ops
    natives[<int>place].compile = compile
    KINDS[kind] = place
    return 0


native("buffer", buffer_filter(), compile_buffer)
native("fault", fault_filter(), compile_fault)
native("local_ratelimit", local_ratelimit_filter(), compile_local_ratelimit)
native("ratelimit", ratelimit_filter(), compile_ratelimit)
native("header_mutation", header_mutation_filter(), compile_header_mutation)
native("cors", cors_filter(), compile_cors)
native("grpc_web", grpc_web_filter(), compile_grpc_web)
native("grpc_stats", grpc_stats_filter(), compile_grpc_stats)
native("grpc_http1_bridge", grpc_http1_bridge_filter(), compile_grpc_bridge)
native("grpc_http1_reverse_bridge", grpc_http1_reverse_bridge_filter(), compile_grpc_reverse_bridge)
native("csrf", csrf_filter(), compile_csrf)
native("health_check", health_check_filter(), compile_health_check)
native("bandwidth_limit", bandwidth_limit_filter(), compile_bandwidth_limit)
native("set_metadata", set_metadata_filter(), compile_set_metadata)
native("set_filter_state", set_filter_state_filter(), compile_set_filter_state)
native("admission_control", admission_control_filter(), compile_admission_control)
native("adaptive_concurrency", adaptive_concurrency_filter(), compile_adaptive_concurrency)
native("stateful_session", stateful_session_filter(), compile_stateful_session)
native("compressor", compressor_filter(), compile_compressor)
native("header_to_metadata", header_to_metadata_filter(), compile_header_to_metadata)
native("decompressor", decompressor_filter(), compile_decompressor)
native("ip_tagging", ip_tagging_filter(), compile_ip_tagging)
native("json_to_metadata", json_to_metadata_filter(), compile_json_to_metadata)
native("rbac", rbac_filter(), compile_rbac_filter)


cdef class FilterSet:
    def __cinit__(self):
        self.links = []
        self.levels = ()
        self.node_cluster = ""

    cdef FilterScope scope(self, Arena *arena, Regex **regexes, object link, bint of_route):
        cdef FilterScope scope = FilterScope.__new__(FilterScope)
        scope.arena = arena
        scope.regexes = regexes
        scope.registry = self.registry
        scope.prefix = self.prefix
        scope.filter_name = link.name
        scope.own = link.settings if of_route else None
        scope.cluster_index = self.cluster_index
        scope.owned = self.owned
        scope.node_cluster = self.node_cluster
        return scope

    cdef FilterSet within(self, tuple level):
        cdef FilterSet inner
        if not level:
            return self
        inner = FilterSet.__new__(FilterSet)
        inner.registry = self.registry
        inner.prefix = self.prefix
        inner.cluster_index = self.cluster_index
        inner.owned = self.owned
        inner.node_cluster = self.node_cluster
        inner.links = self.links
        inner.levels = self.levels + (level,)
        return inner

    cdef RouteFilters *of_route(self, Arena *arena, Regex **regexes) except? NULL:
        cdef RouteFilters *filters
        if not self.levels:
            return NULL
        filters = <RouteFilters *>take(arena, sizeof(RouteFilters))
        for n, link in enumerate(self.links):
            found = [one for level in self.levels for one in level if one.name == link.name]
            if not found:
                continue
            if found[len(found) - 1].disabled:
                filters.off |= <uint32_t>1 << <int>n
                continue
            filters.on |= <uint32_t>1 << <int>n
            settings = tuple(one.settings for one in found if one.kind == link.kind and one.settings is not None)
            if not settings:
                continue
            if filters.settings == NULL:
                filters.settings = <void **>take(arena, sizeof(void *) * len(self.links))
            filters.settings[<int>n] = natives[<int>KINDS[link.kind]].compile(self.scope(arena, regexes, link, True), settings)
        return filters

    cdef int fill(self, Arena *arena, HcmConf *hcm, list keep_on) except -1:
        cdef FilterConf *conf
        if len(self.links) > FILTERS_MAX:
            raise ValueError(f"at most {FILTERS_MAX} HTTP filters, {len(self.links)} were given")
        hcm.filters = <FilterConf *>take(arena, sizeof(FilterConf) * max(1, len(self.links)))
        hcm.filters_len = len(self.links)
        hcm.filter_settings = <void **>take(arena, sizeof(void *) * max(1, len(self.links)))
        for n, spec in enumerate(self.links):
            conf = &hcm.filters[<int>n]
            conf.name = keep(arena, spec.name)
            if spec.kind in KINDS:
                conf.ops = natives[<int>KINDS[spec.kind]].ops
                conf.settings = natives[<int>KINDS[spec.kind]].compile(self.scope(arena, &hcm.regexes, spec, False), (spec.settings,))
            elif spec.kind == "python":
                conf.ops = python_filter(spec, keep_on, &conf.settings)
            else:
                raise ValueError(f"HTTP filter {spec.name!r}: the engine has no filter of kind {spec.kind!r}")
            hcm.filter_settings[<int>n] = conf.settings
            add_masks(hcm, n, conf.ops, spec.disabled)
        return 0


cdef void add_masks(HcmConf *hcm, int n, const HttpFilterOps *ops, bint disabled) noexcept:
    cdef uint32_t bit = <uint32_t>1 << n
    if not disabled:
        hcm.filters_on |= bit
    if ops.on_request_data != NULL or ops.on_request_trailers != NULL:
        hcm.request_bodies |= bit
    if ops.on_response_data != NULL or ops.on_response_trailers != NULL:
        hcm.response_bodies |= bit


cdef FilterSet filter_set(StatsRegistry registry, object hcm, dict cluster_index, str node_cluster, list owned):
    cdef FilterSet filters = FilterSet.__new__(FilterSet)
    filters.registry = registry
    filters.prefix = f"http.{hcm.stat_prefix}."
    filters.cluster_index = cluster_index
    filters.owned = owned
    filters.node_cluster = node_cluster
    filters.links = [link for link in hcm.filters if link.kind != "router"]
    return filters
