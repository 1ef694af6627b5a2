"""Settings of stateful session and header to metadata; see filter_session.pxd."""
from meshcore.bind.filter_scope cimport FilterScope, nearest
from meshcore.bind.matchers cimport compile_regex, keep, keep_lower
from meshcore.bind.stats cimport Layout
from meshcore.filter.header_to_metadata cimport (
    FACT_NUMBER, FACT_PROTOBUF, FACT_STRING, HeaderFact, HeaderRule, HeaderRules, HeaderToMetadataConf,
)
from meshcore.filter.stateful_session cimport SESSION_STATS, SessionConf

from meshcore.bind import filter_stats
from meshcore.bind.load_balancer import cookie_tail

cdef Layout session_layout = Layout(filter_stats.STATEFUL_SESSION)


cdef void *compile_stateful_session(FilterScope scope, tuple specs) except NULL:
    cdef SessionConf *conf = <SessionConf *>scope.room(sizeof(SessionConf))
    spec = nearest(specs)
    conf.disabled = spec.disabled
    conf.strict = spec.strict
    conf.is_cookie = bool(spec.cookie)
    conf.name = keep(scope.arena, spec.cookie) if spec.cookie else keep_lower(scope.arena, spec.header)
    conf.path = keep(scope.arena, spec.path)
    conf.ttl_s = spec.ttl_s
    conf.tail = keep(scope.arena, cookie_tail(spec))
    if spec.stat_prefix:
        conf.counted = True
        scope.stats(f"{scope.prefix}stateful_session.{spec.stat_prefix}.", session_layout, SESSION_STATS, conf.stats)
    return conf


cdef int fill_fact(FilterScope scope, object spec, HeaderFact *out) except -1:
    if spec is None:
        return 0
    out.set = True
    out.decode = spec.base64
    out.type = FACT_PROTOBUF if spec.protobuf else FACT_NUMBER if spec.number else FACT_STRING
    out.namespace = keep(scope.arena, spec.namespace)
    out.key = keep(scope.arena, spec.key)
    out.value = keep(scope.arena, spec.value)
    if spec.regex_rewrite is not None:
        out.regex = compile_regex(scope.arena, scope.regexes, spec.regex_rewrite[0])
        out.substitution = keep(scope.arena, spec.regex_rewrite[1])
    return 0


cdef int fill_rules(FilterScope scope, object specs, HeaderRules *out) except -1:
    out.len = len(specs)
    out.rules = <HeaderRule *>scope.room(sizeof(HeaderRule) * len(specs))
    for i, spec in enumerate(specs):
        out.rules[<int>i].header = keep_lower(scope.arena, spec.header)
        out.rules[<int>i].cookie = keep(scope.arena, spec.cookie)
        out.rules[<int>i].remove = spec.remove
        fill_fact(scope, spec.present, &out.rules[<int>i].present)
        fill_fact(scope, spec.missing, &out.rules[<int>i].missing)
    return 0


cdef void *compile_header_to_metadata(FilterScope scope, tuple specs) except NULL:
    cdef HeaderToMetadataConf *conf = <HeaderToMetadataConf *>scope.room(sizeof(HeaderToMetadataConf))
    spec = nearest(specs)
    fill_rules(scope, spec.request_rules, &conf.request)
    fill_rules(scope, spec.response_rules, &conf.response)
    return conf
