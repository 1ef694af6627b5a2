"""Access rules; see access_rules.pxd for the law."""
import collections

from libc.stdint cimport uint16_t, uint32_t

from meshcore.base.hash cimport xxhash64
from meshcore.base.span cimport Span
from meshcore.bind.match_trees cimport compile_tree
from meshcore.bind.matchers cimport compile_headers, compile_string, keep, take
from meshcore.bind.stream_matchers cimport compile_cidrs, compile_filter_state, compile_metadata_match
from meshcore.route.access_index cimport AccessIndex, AccessSlot, access_slot
from meshcore.route.access_rules cimport *
from meshcore.route.matcher cimport StringMatcher
from meshcore.route.stream_matcher cimport FilterStateMatcher, MetadataMatcher

from meshcore.bind import spec as specs

TESTS = {
    "any": ACCESS_ANY, "all_of": ACCESS_ALL_OF, "one_of": ACCESS_ONE_OF, "not": ACCESS_NOT, "destination_ip": ACCESS_DESTINATION_IP,
    "destination_port": ACCESS_DESTINATION_PORT, "server_name": ACCESS_SERVER_NAME, "source_ip": ACCESS_SOURCE_IP,
    "remote_ip": ACCESS_REMOTE_IP, "direct_remote_ip": ACCESS_DIRECT_REMOTE_IP, "authenticated": ACCESS_AUTHENTICATED,
    "filter_state": ACCESS_FILTER_STATE, "header": ACCESS_HEADER, "path": ACCESS_PATH, "metadata": ACCESS_METADATA,
    "route_metadata": ACCESS_ROUTE_METADATA,
}
INDEX_MIN = 8                      # from here on policies that ask about the same thing are worth an index
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


# --- the index ------------------------------------------------------------------------------------------------------------


def asked_values(rule):
    """{what is asked about: the exact values of which one is needed}, of a rule that holds for no other value."""
    if rule.test == "path" and rule.text.kind == "exact" and not rule.text.ignore_case:
        return {"": {rule.text.value}}
    if rule.test == "header":
        header = rule.header
        plain = header.string is not None and header.string.kind == "exact" and not header.string.ignore_case
        return {header.name: {header.string.value}} if plain and not header.invert and not header.treat_missing_as_empty else {}
    parts = [asked_values(part) for part in rule.parts]
    if rule.test == "all_of":
        found = {}
        for part in parts:
            for name, values in part.items():
                found[name] = found[name] & values if name in found else values
        return found
    if rule.test == "one_of" and parts:
        return {name: set().union(*[part[name] for part in parts]) for name in parts[0] if all(name in part for part in parts)}
    return {}


def best_name(asked):
    """What most policies ask about: a header's name, "" for the path; None when too few do."""
    counts = collections.Counter([name for one in asked for name in one])
    name, n = max(counts.items(), key=lambda item: item[1], default=("", 0))
    return name if n >= INDEX_MIN else None


cdef uint32_t *keep_places(Arena *arena, list places) except NULL:
    cdef uint32_t *kept = <uint32_t *>take(arena, sizeof(uint32_t) * max(1, len(places)))
    for i, place in enumerate(places):
        kept[<int>i] = place
    return kept


cdef int fill_index(Arena *arena, Regex **regexes, object spec, AccessRules *rules) except -1:
    cdef AccessIndex *index = &rules.index
    cdef AccessSlot *slot
    cdef Span value
    cdef uint16_t one
    asked = [asked_values(specs.AccessRule("all_of", (permission, principal))) for _name, permission, principal in spec.policies]
    name = best_name(asked)
    if name is None:
        return 0
    by_value = {}
    for place, questions in enumerate(asked):
        for text in questions.get(name, ()):
            by_value.setdefault(text, []).append(place)
    cap = 1 << (2 * len(by_value) + 1).bit_length()
    index.slots = <AccessSlot *>take(arena, cap * sizeof(AccessSlot))
    index.mask = cap - 1
    for text, places in by_value.items():
        value = keep(arena, text)
        slot = access_slot(index, value)
        slot.hash = xxhash64(value.at, value.len, 0)
        slot.value = value
        slot.places = keep_places(arena, places)
        slot.places_len = len(places)
    rest = [place for place, questions in enumerate(asked) if name not in questions]
    index.rest = keep_places(arena, rest)
    index.rest_len = len(rest)
    if name:
        rules.lookup_header = compile_headers(arena, regexes, (specs.HeaderMatch(name),), False, &one)
    rules.looked_up = ACCESS_HEADER if name else ACCESS_PATH
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
    fill_index(arena, regexes, spec, rules)
    rules.tree = compile_tree(arena, regexes, spec.tree)
    rules.verdicts = <AccessVerdict *>take(arena, len(spec.verdicts) * sizeof(AccessVerdict))
    for i, (name, action) in enumerate(spec.verdicts):
        rules.verdicts[<int>i].name = keep(arena, name)
        rules.verdicts[<int>i].action = ACTIONS[action]
        rules.hints = rules.hints or action == "log"
    return rules
