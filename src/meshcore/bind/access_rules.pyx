"""Access rules; see access_rules.pxd for the law."""
from libc.stdint cimport uint16_t

from meshcore.bind.match_trees cimport compile_tree
from meshcore.bind.matchers cimport compile_headers, compile_string, keep, take
from meshcore.bind.stream_matchers cimport compile_cidrs, compile_filter_state, compile_metadata_match
from meshcore.route.access_rules cimport *
from meshcore.route.matcher cimport StringMatcher
from meshcore.route.stream_matcher cimport FilterStateMatcher, MetadataMatcher

TESTS = {
    "any": ACCESS_ANY, "all_of": ACCESS_ALL_OF, "one_of": ACCESS_ONE_OF, "not": ACCESS_NOT, "destination_ip": ACCESS_DESTINATION_IP,
    "destination_port": ACCESS_DESTINATION_PORT, "server_name": ACCESS_SERVER_NAME, "source_ip": ACCESS_SOURCE_IP,
    "remote_ip": ACCESS_REMOTE_IP, "direct_remote_ip": ACCESS_DIRECT_REMOTE_IP, "authenticated": ACCESS_AUTHENTICATED,
    "filter_state": ACCESS_FILTER_STATE, "header": ACCESS_HEADER, "path": ACCESS_PATH, "metadata": ACCESS_METADATA,
    "route_metadata": ACCESS_ROUTE_METADATA,
}
ACTIONS = {"allow": ACCESS_ALLOW, "deny": ACCESS_DENY, "log": ACCESS_LOG}


cdef int fill_rule(Arena *arena, Regex **regexes, object spec, AccessRule *out) except -1:
    cdef uint16_t one
    out.test = TESTS[spec.test]
    out.parts = <AccessRule *>take(arena, len(spec.parts) * sizeof(AccessRule))
    out.parts_len = len(spec.parts)
    for i, part in enumerate(spec.parts):
        fill_rule(arena, regexes, part, &out.parts[<int>i])
    if spec.block[0]:
        out.block = compile_cidrs(arena, (spec.block,), &one)[0]
    out.first, out.last = spec.ports
    if spec.text is not None:
        out.text = <StringMatcher *>take(arena, sizeof(StringMatcher))
        compile_string(arena, regexes, spec.text, out.text)
    if spec.state is not None:
        out.state = <FilterStateMatcher *>take(arena, sizeof(FilterStateMatcher))
        compile_filter_state(arena, regexes, spec.state, out.state)
    if spec.header is not None:
        out.header = compile_headers(arena, regexes, (spec.header,), False, &one)
    if spec.metadata is not None:
        out.metadata = <MetadataMatcher *>take(arena, sizeof(MetadataMatcher))
        compile_metadata_match(arena, regexes, spec.metadata, out.metadata)
    return 0


cdef AccessRules *compile_access(Arena *arena, Regex **regexes, object spec) except? NULL:
    cdef AccessRules *rules
    if spec is None:
        return NULL
    rules = <AccessRules *>take(arena, sizeof(AccessRules))
    rules.action = ACTIONS[spec.action]
    rules.policies = <AccessPolicy *>take(arena, len(spec.policies) * sizeof(AccessPolicy))
    rules.policies_len = len(spec.policies)
    for i, (name, permission, principal) in enumerate(spec.policies):
        rules.policies[<int>i].name = keep(arena, name)
        fill_rule(arena, regexes, permission, &rules.policies[<int>i].permission)
        fill_rule(arena, regexes, principal, &rules.policies[<int>i].principal)
    rules.tree = compile_tree(arena, regexes, spec.tree)
    rules.verdicts = <AccessVerdict *>take(arena, len(spec.verdicts) * sizeof(AccessVerdict))
    for i, (name, action) in enumerate(spec.verdicts):
        rules.verdicts[<int>i].name = keep(arena, name)
        rules.verdicts[<int>i].action = ACTIONS[action]
        rules.hints = rules.hints or action == "log"
    return rules
