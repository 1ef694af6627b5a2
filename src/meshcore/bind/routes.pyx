"""Compiles a route table from its plan; see routes.pxd for the law.

Top down: table, virtual hosts, routes, actions. The virtual host's retry policy and disabled filters are folded into its routes
here, so that the data path looks in one place. The Python face for tests and `mesh explain` is in route_face.pyx.
"""
from libc.stdint cimport uint16_t, uint32_t

from meshcore.base.span cimport Span, span
from meshcore.bind.filter_set cimport FilterSet
from meshcore.bind.format cimport compile_json, compile_text
from meshcore.bind.load_balancer cimport compile_criteria, compile_hash_policy
from meshcore.bind.match_trees cimport compile_tree
from meshcore.bind.matchers cimport compile_headers, compile_queries, compile_regex, keep, keep_lower, take
from meshcore.bind.metadata cimport metadata_fill
from meshcore.bind.rate_limits cimport fill_rate_rules
from meshcore.bind.resilience cimport compile_resilience
from meshcore.bind.runtime cimport RuntimeCells
from meshcore.bind.stream_matchers cimport compile_stream
from meshcore.codec.head cimport head_identify
from meshcore.observe.format cimport Format, format_compile
from meshcore.route.domain_index cimport DOMAIN_ANY, DOMAIN_EXACT, DOMAIN_PREFIX, DOMAIN_SUFFIX, Domain
from meshcore.route.mutation cimport ADD_APPEND, ADD_IF_ABSENT, ADD_OVERWRITE, ADD_OVERWRITE_IF_EXISTS
from meshcore.route.rate_limit cimport RateRules
from meshcore.route.scope_index cimport KeyPart, RouteScope, ScopeIndex, scope_index_build
from meshcore.route.table cimport (
    PATH_CONNECT, PATH_EXACT, PATH_PREFIX, PATH_REGEX, PATH_SEPARATED_PREFIX, ROUTE_DIRECT, ROUTE_FORWARD, ROUTE_REDIRECT,
    ClusterChoice, Route, RouteRange, Scope, UpgradeRule, VirtualCluster, VirtualHost, route_table_index, route_table_new,
    route_table_unref,
)

from meshcore.bind import spec as plan
from meshcore.bind.regex_guard import literal_prefix
from meshcore.bind.single_headers import SINGLE_REQUEST, SINGLE_RESPONSE

PATH_KINDS = {
    "prefix": PATH_PREFIX,
    "path": PATH_EXACT,
    "regex": PATH_REGEX,
    "uri_template": PATH_REGEX,
    "path_separated_prefix": PATH_SEPARATED_PREFIX,
    "connect": PATH_CONNECT,
}
ADD_ACTIONS = {
    "append": ADD_APPEND,
    "add_if_absent": ADD_IF_ABSENT,
    "overwrite": ADD_OVERWRITE,
    "overwrite_if_exists": ADD_OVERWRITE_IF_EXISTS,
}
REQUIRE_TLS = {"none": 0, "external_only": 1, "all": 2}


# --- header mutation --------------------------------------------------------------------------------------------------


cdef int compile_value(Arena *arena, object value, HeaderAdd *out) except -1:
    cdef Span error = span(NULL, 0)
    cdef Format *format
    out.literal = keep(arena, value)
    if "%" in value:
        format = format_compile(arena, out.literal, &error)
        if format == NULL:
            if error.at == NULL:
                raise MemoryError
            raise ValueError(f"header value {value!r}: {error.at[:error.len].decode('utf-8', 'replace')}")
        format.omit_empty = True
        out.format = format
    return 0


cdef HeaderAdd *compile_adds(Arena *arena, object specs, bint response) except? NULL:
    cdef HeaderAdd *list
    cdef HeaderAdd *add
    single = SINGLE_RESPONSE if response else SINGLE_REQUEST
    if not specs:
        return NULL
    list = <HeaderAdd *>take(arena, len(specs) * sizeof(HeaderAdd))
    for i, spec in enumerate(specs):
        add = &list[<int>i]
        add.name = keep_lower(arena, spec.name)
        add.id = head_identify(add.name.at, add.name.len)
        add.action = ADD_ACTIONS[spec.action]
        add.keep_empty = spec.keep_empty
        add.joins = spec.name.lower() in single
        compile_value(arena, spec.value, add)
    return list


cdef Span *compile_names(Arena *arena, object names, uint16_t *n) except? NULL:
    cdef Span *list
    n[0] = len(names)
    if n[0] == 0:
        return NULL
    list = <Span *>take(arena, n[0] * sizeof(Span))
    for i, name in enumerate(names):
        list[<int>i] = keep_lower(arena, name)
    return list


cdef Mutation *compile_mutation(Arena *arena, object spec) except? NULL:
    cdef Mutation *mutation
    if not (spec.request_add or spec.request_remove or spec.response_add or spec.response_remove):
        return NULL
    mutation = <Mutation *>take(arena, sizeof(Mutation))
    mutation.request_add = compile_adds(arena, spec.request_add, False)
    mutation.request_add_len = len(spec.request_add)
    mutation.response_add = compile_adds(arena, spec.response_add, True)
    mutation.response_add_len = len(spec.response_add)
    mutation.request_remove = compile_names(arena, spec.request_remove, &mutation.request_remove_len)
    mutation.response_remove = compile_names(arena, spec.response_remove, &mutation.response_remove_len)
    return mutation


# --- actions ----------------------------------------------------------------------------------------------------------


cdef int compile_regex_rewrite(RouteTable *table, object spec, Route *route) except -1:
    if spec is not None:
        pattern, substitution = spec
        route.rewrite.regex = compile_regex(&table.arena, &table.regexes, pattern)
        route.rewrite.substitution = keep(&table.arena, substitution)
    return 0


cdef int compile_choices(RouteTable *table, object spec, RuntimeCells cells, Route *route) except -1:
    cdef ClusterChoice *choice
    cdef uint32_t total = 0
    if spec.cluster_header:
        route.cluster_header = keep_lower(&table.arena, spec.cluster_header)
        return 0
    route.weight_header = keep_lower(&table.arena, spec.weight_header)
    route.weight_by_hash = spec.weight_by_hash
    parts = spec.weighted or (plan.WeightedCluster(spec.cluster, 1),)
    route.choices = <ClusterChoice *>take(&table.arena, len(parts) * sizeof(ClusterChoice))
    route.choices_len = len(parts)
    for i, part in enumerate(parts):
        choice = &route.choices[<int>i]
        total += <uint32_t>part.weight
        choice.name = keep(&table.arena, part.cluster)
        choice.index = -1
        choice.until = total
        choice.weight = part.weight
        choice.weight_now = cells.cell(part.runtime_key)
        route.runtime_weights = route.runtime_weights or choice.weight_now != NULL
        choice.mutation = compile_mutation(&table.arena, part.mutation)
        choice.host_rewrite = keep(&table.arena, part.host_rewrite_literal)
        choice.cluster_header = keep_lower(&table.arena, part.cluster_header)
        choice.criteria = compile_criteria(&table.arena, part.metadata_match or spec.metadata_match)
    route.total_weight = total
    return 0


cdef int compile_upgrades(RouteTable *table, object spec, Route *route) except -1:
    cdef UpgradeRule *rules
    if not spec.upgrades:
        return 0
    rules = <UpgradeRule *>take(&table.arena, len(spec.upgrades) * sizeof(UpgradeRule))
    for i, (kind, enabled) in enumerate(spec.upgrades):
        rules[<int>i].type = keep_lower(&table.arena, kind)
        rules[<int>i].enabled = enabled
    route.upgrades = rules
    route.upgrades_len = len(spec.upgrades)
    return 0


cdef int compile_forward(RouteTable *table, object host, object spec, RuntimeCells cells, Route *route) except -1:
    route.kind = ROUTE_FORWARD
    compile_choices(table, spec, cells, route)
    compile_upgrades(table, spec, route)
    route.cluster_not_found_code = spec.cluster_not_found_code
    route.rewrite.prefix = keep(&table.arena, spec.prefix_rewrite)
    compile_regex_rewrite(table, spec.regex_rewrite, route)
    route.host_rewrite = keep(&table.arena, spec.host_rewrite_literal)
    route.host_rewrite_header = keep_lower(&table.arena, spec.host_rewrite_header)
    if spec.host_rewrite_path_regex is not None:
        pattern, substitution = spec.host_rewrite_path_regex
        route.host_regex = compile_regex(&table.arena, &table.regexes, pattern)
        route.host_substitution = keep(&table.arena, substitution)
    if spec.host_rewrite:
        route.host_format = compile_text(&table.arena, spec.host_rewrite, False)
    if spec.path_rewrite:
        route.rewrite.format = compile_text(&table.arena, spec.path_rewrite, True)
    route.auto_host_rewrite = spec.auto_host_rewrite
    route.append_x_forwarded_host = spec.append_x_forwarded_host
    route.connect_terminate = spec.connect_terminate
    route.connect_allow_post = spec.connect_allow_post
    route.priority_high = spec.priority_high
    route.timeout_ms = spec.timeout_ms
    route.idle_timeout_ms = -1 if spec.idle_timeout_ms is None else spec.idle_timeout_ms
    route.max_duration_ms = -1 if spec.max_stream_duration_ms is None else spec.max_stream_duration_ms
    route.grpc_timeout_max_ms = -1 if spec.grpc_timeout_header_max_ms is None else spec.grpc_timeout_header_max_ms
    route.grpc_timeout_offset_ms = spec.grpc_timeout_header_offset_ms
    route.new_timeouts = spec.new_timeouts
    route.hash = compile_hash_policy(&table.arena, &table.regexes, spec.hash_policy)
    route.criteria = compile_criteria(&table.arena, spec.metadata_match)
    return 0


cdef int compile_redirect(RouteTable *table, object spec, Route *route) except -1:
    route.kind = ROUTE_REDIRECT
    route.scheme = keep(&table.arena, spec.scheme)
    route.redirect_host = keep(&table.arena, spec.host)
    route.redirect_port = spec.port
    path = spec.path_redirect
    route.rewrite.path = keep(&table.arena, path if path.startswith("/") or not path else "/" + path)
    route.rewrite.prefix = keep(&table.arena, spec.prefix_rewrite)
    compile_regex_rewrite(table, spec.regex_rewrite, route)
    route.status = spec.response_code
    route.strip_query = spec.strip_query
    return 0


cdef int compile_direct(RouteTable *table, object spec, Route *route) except -1:
    route.kind = ROUTE_DIRECT
    route.status = spec.status
    route.body = keep(&table.arena, spec.body)
    route.content_type = keep(&table.arena, spec.content_type)
    if spec.format is not None:
        route.body_format = compile_text(&table.arena, spec.format, spec.omit_empty)
    elif spec.json is not None:
        route.body_format = compile_json(&table.arena, spec.json, spec.omit_empty)
    return 0


# --- routes and hosts -------------------------------------------------------------------------------------------------


cdef int compile_match(RouteTable *table, object spec, RuntimeCells cells, Route *route) except -1:
    route.path_kind = PATH_KINDS[spec.path_kind]
    route.case_sensitive = spec.case_sensitive
    route.grpc = spec.grpc
    if route.path_kind == PATH_REGEX:
        route.regex = compile_regex(&table.arena, &table.regexes, spec.path)
        route.whole_path = spec.path_kind == "uri_template"
        # The index sees paths without their parameters.
        route.guard = keep(&table.arena, "/" if route.whole_path and table.ignore_path_parameters else literal_prefix(spec.path))
        route.path = keep(&table.arena, spec.path)
    elif spec.case_sensitive:
        route.path = keep(&table.arena, spec.path)
    else:
        route.path = keep_lower(&table.arena, spec.path)
    route.headers = compile_headers(&table.arena, &table.regexes, spec.headers, False, &route.headers_len)
    route.query = compile_queries(&table.arena, &table.regexes, spec.query, &route.query_len)
    if spec.runtime_fraction is not None:
        cells.fill(spec.runtime_fraction, &route.fraction)
    route.stream = compile_stream(&table.arena, &table.regexes, spec)
    return 0


cdef void add_mutation(Route *route, const Mutation *mutation) noexcept:
    if mutation != NULL:
        route.mutations[route.mutations_len] = mutation
        route.mutations_len += 1


cdef int compile_body_limit(object host, object spec, Route *route) except -1:
    # The route's own word before its host's, the newer field before the older one.
    route.body_limit = -1
    for part in (spec, host):
        if part.body_buffer_limit is not None or part.retry_buffer_limit is not None:
            route.body_limit_widens = part.body_buffer_limit is not None
            route.body_limit = part.body_buffer_limit if route.body_limit_widens else part.retry_buffer_limit
            return 0
    return 0


cdef int compile_virtual_clusters(RouteTable *table, object specs, VirtualHost *host) except -1:
    if not specs:
        return 0
    host.clusters_len = len(specs) + 1
    host.clusters = <VirtualCluster *>take(&table.arena, host.clusters_len * sizeof(VirtualCluster))
    for i, spec in enumerate(specs):
        host.clusters[<int>i].name = keep(&table.arena, spec.name)
        host.clusters[<int>i].headers = compile_headers(
            &table.arena, &table.regexes, spec.headers, False, &host.clusters[<int>i].headers_len)
    host.clusters[host.clusters_len - 1].name = keep(&table.arena, "other")
    return 0


cdef int compile_route(
    RouteTable *table, object host, object spec, RuntimeCells cells, Route *route, const Mutation *of_host,
    const Mutation *of_table, FilterSet filters,
) except -1:
    add_mutation(route, compile_mutation(&table.arena, spec.mutation))
    add_mutation(route, of_host)
    add_mutation(route, of_table)
    route.name = keep(&table.arena, spec.name)
    metadata_fill(&table.arena, spec.metadata or {}, &route.metadata)
    route.stat_prefix = keep(&table.arena, spec.stat_prefix)
    route.idle_timeout_ms = route.max_duration_ms = route.grpc_timeout_max_ms = -1
    compile_body_limit(host, spec, route)
    if spec.stat_prefix:
        route.scope = <Scope *>take(&table.arena, sizeof(Scope))
    route.scoped = bool(spec.stat_prefix or host.virtual_clusters)
    filters = filters.within(spec.filters)
    route.filters = filters.of_route(&table.arena, &table.regexes)
    compile_match(table, spec.match, cells, route)
    if isinstance(spec.action, plan.Forward):
        compile_forward(table, host, spec.action, cells, route)
        compile_choice_filters(table, spec.action, route, filters)
        route.rate_rules = compile_rates(table, spec.action.rate_limits, cells, filters)
        route.include_host_rates = spec.action.include_vh_rate_limits
        compile_resilience(table, host, spec.action, cells, route)
    elif isinstance(spec.action, plan.Redirect):
        compile_redirect(table, spec.action, route)
    elif isinstance(spec.action, plan.DirectResponse):
        compile_direct(table, spec.action, route)
    else:
        raise TypeError(f"route {spec.name!r}: no such action: {spec.action!r}")
    return 0


cdef int compile_choice_filters(RouteTable *table, object spec, Route *route, FilterSet filters) except -1:
    for i, part in enumerate(spec.weighted):
        if part.filters:
            route.choices[<int>i].filters = filters.within(part.filters).of_route(&table.arena, &table.regexes)
    return 0


cdef RateRules *compile_rates(RouteTable *table, object specs, RuntimeCells cells, FilterSet filters) except? NULL:
    cdef RateRules *rules
    if not specs:
        return NULL
    rules = <RateRules *>take(&table.arena, sizeof(RateRules))
    fill_rate_rules(&table.arena, &table.regexes, cells, specs, filters.node_cluster, "http", rules)
    return rules


cdef int compile_host(
    RouteTable *table, object spec, RuntimeCells cells, VirtualHost *host, const Mutation *of_table, FilterSet filters,
) except -1:
    cdef const Mutation *own = compile_mutation(&table.arena, spec.mutation)
    host.name = keep(&table.arena, spec.name)
    metadata_fill(&table.arena, spec.metadata or {}, &host.metadata)
    host.require_tls = REQUIRE_TLS[spec.require_tls]
    host.attempt_count_request = spec.include_request_attempt_count
    host.attempt_count_response = spec.include_attempt_count_in_response
    host.timeout_retry_header = spec.include_is_timeout_retry_header
    compile_virtual_clusters(table, spec.virtual_clusters, host)
    host.tree = compile_tree(&table.arena, &table.regexes, spec.matcher)
    host.lists = <RouteRange *>take(&table.arena, len(spec.route_lists) * sizeof(RouteRange))
    host.lists_len = len(spec.route_lists)
    for i, (first, n) in enumerate(spec.route_lists):
        host.lists[<int>i].first = first
        host.lists[<int>i].len = n
    host.rate_rules = compile_rates(table, spec.rate_limits, cells, filters)
    host.routes = <Route *>take(&table.arena, len(spec.routes) * sizeof(Route))
    host.routes_len = len(spec.routes)
    for i, route in enumerate(spec.routes):
        compile_route(table, spec, route, cells, &host.routes[<int>i], own, of_table, filters.within(spec.filters))
    return 0


cdef int compile_domains(RouteTable *table, object hosts) except -1:
    cdef uint32_t n = sum(len(host.domains) for host in hosts)
    cdef Domain *list = <Domain *>take(&table.arena, n * sizeof(Domain))
    cdef Domain *domain = list
    seen = set()
    for i, host in enumerate(hosts):
        for text in host.domains:
            text = text.lower()
            if text in seen:
                raise ValueError(f"virtual host {host.name!r}: the domain {text!r} stands twice in the route table")
            seen.add(text)
            domain.host = i
            if text == "*":
                domain.kind = DOMAIN_ANY
            elif text.startswith("*"):
                domain.kind = DOMAIN_SUFFIX
                text = text.removeprefix("*")
            elif text.endswith("*"):
                domain.kind = DOMAIN_PREFIX
                text = text.removesuffix("*")
            else:
                domain.kind = DOMAIN_EXACT
            domain.text = keep_lower(&table.arena, text)
            domain += 1
    table.names = list
    table.names_len = n
    return 0


cdef int fill_table(RouteTable *table, object spec, RuntimeCells cells, FilterSet filters) except -1:
    cdef const Mutation *mutation
    table.name = keep(&table.arena, spec.name)
    table.ignore_port = spec.ignore_port_in_host
    table.ignore_path_parameters = spec.ignore_path_parameters
    table.most_specific_wins = spec.most_specific_mutations_win
    table.vhost_header = keep_lower(&table.arena, spec.vhost_header)
    table.internal_only = compile_names(&table.arena, spec.internal_only_headers, &table.internal_only_len)
    mutation = compile_mutation(&table.arena, spec.mutation)
    table.hosts = <VirtualHost *>take(&table.arena, len(spec.virtual_hosts) * sizeof(VirtualHost))
    table.hosts_len = len(spec.virtual_hosts)
    for i, host in enumerate(spec.virtual_hosts):
        compile_host(table, host, cells, &table.hosts[<int>i], mutation, filters.within(spec.filters))
    compile_domains(table, spec.virtual_hosts)
    if spec.scopes is not None:
        compile_scopes(table, spec.scopes, cells, filters)
    return 0


cdef int compile_key(Arena *arena, object specs, KeyPart *parts) except -1:
    for i, part in enumerate(specs):
        parts[<int>i].header = keep_lower(arena, part.header)
        parts[<int>i].separator = keep(arena, part.separator)
        parts[<int>i].place = part.place
        parts[<int>i].named = part.name is not None
        parts[<int>i].name = keep(arena, part.name or "")
        parts[<int>i].equals = keep(arena, part.equals)
    return 0


cdef int compile_scopes(RouteTable *table, object spec, RuntimeCells cells, FilterSet filters) except -1:
    # The tables of scopes that were made before one fails end with this table.
    cdef ScopeIndex *index = <ScopeIndex *>take(&table.arena, sizeof(ScopeIndex))
    cdef KeyPart *parts = <KeyPart *>take(&table.arena, len(spec.parts) * sizeof(KeyPart))
    cdef RouteScope *scope
    cdef Span *key
    compile_key(&table.arena, spec.parts, parts)
    index.parts = parts
    index.parts_len = len(spec.parts)
    index.scopes = <RouteScope *>take(&table.arena, len(spec.scopes) * sizeof(RouteScope))
    table.scopes = index
    for one in spec.scopes:
        scope = &index.scopes[index.scopes_len]
        key = <Span *>take(&table.arena, len(one.key) * sizeof(Span))
        for n, text in enumerate(one.key):
            key[<int>n] = keep(&table.arena, text)
        scope.key = key
        scope.key_len = len(one.key)
        scope.table = routes_compile(one.routes, cells, filters)
        index.scopes_len += 1
    if not scope_index_build(index, &table.arena):
        raise MemoryError
    return 0


cdef RouteTable *routes_compile(object spec, RuntimeCells cells, FilterSet filters) except NULL:
    cdef RouteTable *table = route_table_new()
    if table == NULL:
        raise MemoryError
    try:
        fill_table(table, spec, cells, filters)
        if not route_table_index(table):
            raise MemoryError
    except BaseException:
        route_table_unref(table)
        raise
    return table
