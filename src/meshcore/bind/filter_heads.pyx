"""Settings of header mutation, CORS, CSRF and health check; see filter_heads.pxd."""
from libc.stdint cimport uint16_t

from meshcore.bind.filter_scope cimport FilterScope, nearest
from meshcore.bind.matchers cimport compile_headers, compile_string, keep
from meshcore.bind.routes cimport compile_mutation, compile_value
from meshcore.bind.stats cimport Layout
from meshcore.filter.cors cimport CORS_STATS, CorsConf
from meshcore.filter.csrf cimport CSRF_STATS, CsrfConf
from meshcore.filter.header_mutation cimport Changes, HeaderChange, HeaderMutationConf, MutationLevel
from meshcore.filter.health_check cimport ClusterShare, HealthCheckConf
from meshcore.route.matcher cimport StringMatcher
from meshcore.route.mutation cimport Mutation
from meshcore.route.query_change cimport QueryChange

from meshcore.bind import filter_stats
from meshcore.bind.routes import ADD_ACTIONS

cdef Layout cors_layout = Layout(filter_stats.CORS)
cdef Layout csrf_layout = Layout(filter_stats.CSRF)


cdef StringMatcher *strings(FilterScope scope, object specs, uint16_t *n) except NULL:
    cdef StringMatcher *list = <StringMatcher *>scope.room(sizeof(StringMatcher) * len(specs))
    n[0] = len(specs)
    for i, spec in enumerate(specs):
        compile_string(scope.arena, scope.regexes, spec, &list[<int>i])
    return list


# --- header mutation ------------------------------------------------------------------------------------------------


cdef int fill_changes(FilterScope scope, object specs, Changes *out) except -1:
    cdef Mutation *mutation
    out.len = len(specs)
    out.changes = <HeaderChange *>scope.room(sizeof(HeaderChange) * out.len)
    for i, spec in enumerate(specs):
        if spec.remove_on_match is not None:
            out.changes[<int>i].removes_matching = True
            compile_string(scope.arena, scope.regexes, spec.remove_on_match, &out.changes[<int>i].names)
            continue
        mutation = compile_mutation(scope.arena, spec.mutation)
        if mutation != NULL:
            out.changes[<int>i].mutation = mutation[0]
    return 0


cdef QueryChange *query_changes(FilterScope scope, object specs) except NULL:
    cdef QueryChange *list = <QueryChange *>scope.room(sizeof(QueryChange) * len(specs))
    for i, spec in enumerate(specs):
        list[<int>i].removes = spec.action == "remove"
        list[<int>i].add.name = keep(scope.arena, spec.name)
        list[<int>i].add.action = ADD_ACTIONS.get(spec.action, 0)
        compile_value(scope.arena, spec.value, &list[<int>i].add)
    return list


cdef void *compile_header_mutation(FilterScope scope, tuple specs) except NULL:
    cdef HeaderMutationConf *conf = <HeaderMutationConf *>scope.room(sizeof(HeaderMutationConf))
    cdef MutationLevel *level
    if scope.own is not None:
        specs = (scope.own, *(specs if scope.own.most_specific_wins else reversed(specs)))
    conf.levels_len = len(specs)
    conf.levels = <MutationLevel *>scope.room(sizeof(MutationLevel) * conf.levels_len)
    for i, spec in enumerate(specs):
        level = &conf.levels[<int>i]
        fill_changes(scope, spec.request, &level.request)
        fill_changes(scope, spec.response, &level.response)
        fill_changes(scope, spec.request_trailers, &level.request_trailers)
        fill_changes(scope, spec.response_trailers, &level.response_trailers)
        level.query_len = len(spec.query)
        level.query = query_changes(scope, spec.query)
        conf.trailers = conf.trailers or spec.request_trailers or spec.response_trailers
    return conf


# --- cors -----------------------------------------------------------------------------------------------------------


def said(specs, name):
    """What the most specific level that says something says; None: no level does."""
    return next((value for spec in reversed(specs) if (value := getattr(spec, name)) not in (None, "", ())), None)


cdef void *compile_cors(FilterScope scope, tuple specs) except NULL:
    cdef CorsConf *conf = <CorsConf *>scope.room(sizeof(CorsConf))
    scope.stats(scope.prefix + "cors.", cors_layout, CORS_STATS, conf.stats)
    levels = [spec for spec in specs if spec is not None]
    if not levels:
        return conf
    conf.present = True
    conf.origins = strings(scope, said(levels, "allow_origin") or (), &conf.origins_len)
    last = levels[len(levels) - 1]
    if last.filter_enabled is not None:
        conf.enabled_given = True
        scope.fraction(last.filter_enabled, &conf.enabled)
    if last.shadow_enabled is not None:
        conf.shadow_given = True
        scope.fraction(last.shadow_enabled, &conf.shadow)
    conf.methods = keep(scope.arena, said(levels, "allow_methods") or "")
    conf.headers = keep(scope.arena, said(levels, "allow_headers") or "")
    conf.expose = keep(scope.arena, said(levels, "expose_headers") or "")
    conf.max_age = keep(scope.arena, said(levels, "max_age") or "")
    conf.credentials = bool(said(levels, "allow_credentials"))
    conf.private_network = bool(said(levels, "allow_private_network_access"))
    conf.forward_preflights = said(levels, "forward_not_matching_preflights") is not False
    return conf


# --- csrf -----------------------------------------------------------------------------------------------------------


cdef void *compile_csrf(FilterScope scope, tuple specs) except NULL:
    cdef CsrfConf *conf = <CsrfConf *>scope.room(sizeof(CsrfConf))
    spec = nearest(specs)
    scope.stats(scope.prefix + "csrf.", csrf_layout, CSRF_STATS, conf.stats)
    scope.fraction(spec.filter_enabled, &conf.enabled)
    if spec.shadow_enabled is not None:
        conf.shadow_given = True
        scope.fraction(spec.shadow_enabled, &conf.shadow)
    conf.origins = strings(scope, spec.additional_origins, &conf.origins_len)
    return conf


# --- health check ---------------------------------------------------------------------------------------------------


cdef void *compile_health_check(FilterScope scope, tuple specs) except NULL:
    cdef HealthCheckConf *conf = <HealthCheckConf *>scope.room(sizeof(HealthCheckConf))
    spec = nearest(specs)
    conf.pass_through = spec.pass_through
    conf.cache_ms = spec.cache_ms
    conf.headers = compile_headers(scope.arena, scope.regexes, spec.headers, False, &conf.headers_len)
    conf.clusters_len = len(spec.clusters)
    conf.clusters = <ClusterShare *>scope.room(sizeof(ClusterShare) * conf.clusters_len)
    for i, (name, percent) in enumerate(spec.clusters):
        conf.clusters[<int>i].index = scope.cluster(name)
        conf.clusters[<int>i].percent = percent
    conf.node_cluster = keep(scope.arena, scope.node_cluster)
    return conf
