"""Access rules; see access_rules.pxd for the law."""
from libc.string cimport memcpy, memset

from meshcore.base.arena cimport arena_take
from meshcore.base.span cimport span
from meshcore.observe.ip cimport cidr_holds
from meshcore.observe.tls_facts cimport FACT_DNS_NAMES, FACT_SUBJECT, FACT_URI_NAMES, tls_fact, tls_next_name
from meshcore.route.access_index cimport AccessIndex, AccessSlot, access_slot
from meshcore.route.match_tree cimport match_tree_find
from meshcore.route.matcher cimport header_matches, header_nth_value, string_matches
from meshcore.route.stream_matcher cimport filter_state_accepted, metadata_accepted

cdef Span DENIED = span(b"rbac_access_denied_matched_policy[", 34)


# --- rules --------------------------------------------------------------------------------------------------------------


cdef bint one_of_names(const StringMatcher *matcher, Span names) noexcept nogil:
    while names.len > 0:
        if string_matches(matcher, tls_next_name(&names)):
            return True
    return False


cdef bint is_authenticated(const StringMatcher *matcher, TlsFacts *tls) noexcept nogil:
    if tls == NULL:
        return False
    if matcher == NULL:
        return tls.presented
    return (one_of_names(matcher, tls_fact(tls, FACT_URI_NAMES)) or one_of_names(matcher, tls_fact(tls, FACT_DNS_NAMES))
            or string_matches(matcher, tls_fact(tls, FACT_SUBJECT)))


cdef Span path_alone(Span path) noexcept nogil:
    # Without its query and fragment.
    cdef uint32_t i
    for i in range(path.len):
        if path.at[i] == b'?' or path.at[i] == b'#':
            return span(path.at, i)
    return path


cdef bint holds_of_request(const AccessRule *rule, const AccessFacts *facts) noexcept nogil:
    if rule.test == ACCESS_HEADER:
        return header_matches(rule.header, facts.request)
    if rule.test == ACCESS_PATH:
        return string_matches(rule.text, path_alone(facts.request.path))
    if rule.test == ACCESS_METADATA:
        return metadata_accepted(rule.metadata, &facts.record.metadata)
    return facts.record.route_metadata != NULL and metadata_accepted(rule.metadata, facts.record.route_metadata)


cdef bint one_holds(const AccessRule *rule, const AccessFacts *facts, bint wanted) noexcept nogil:
    # Whether one of the parts gives the answer `wanted`.
    cdef uint16_t i
    for i in range(rule.parts_len):
        if holds(&rule.parts[i], facts) == wanted:
            return True
    return False


cdef bint holds(const AccessRule *rule, const AccessFacts *facts) noexcept nogil:
    if rule.test == ACCESS_ANY:
        return True
    if rule.test == ACCESS_ALL_OF:
        return not one_holds(rule, facts, False)
    if rule.test == ACCESS_ONE_OF:
        return one_holds(rule, facts, True)
    if rule.test == ACCESS_NOT:
        return not holds(rule.parts, facts)
    if rule.test == ACCESS_DESTINATION_IP:
        return cidr_holds(&rule.block, facts.local)
    if rule.test == ACCESS_DESTINATION_PORT:
        return rule.first <= facts.local.port <= rule.last
    if rule.test == ACCESS_SERVER_NAME:
        return string_matches(rule.text, facts.server_name)
    if rule.test == ACCESS_SOURCE_IP:
        return cidr_holds(&rule.block, facts.source)
    if rule.test == ACCESS_REMOTE_IP:
        return cidr_holds(&rule.block, facts.remote)
    if rule.test == ACCESS_DIRECT_REMOTE_IP:
        return cidr_holds(&rule.block, facts.direct_remote)
    if rule.test == ACCESS_AUTHENTICATED:
        return is_authenticated(rule.text, facts.tls)
    if rule.test == ACCESS_FILTER_STATE:
        return filter_state_accepted(rule.state, facts.state)
    return holds_of_request(rule, facts)


# --- the answer -----------------------------------------------------------------------------------------------------------


cdef void ask_tree(const AccessRules *rules, const AccessFacts *facts, AccessAnswer *answer) noexcept nogil:
    cdef uint32_t found = 0
    cdef const AccessVerdict *verdict
    if not match_tree_find(rules.tree, facts.request, facts.record, &found):
        return
    verdict = &rules.verdicts[found]
    answer.place = <int32_t>found
    answer.policy = verdict.name
    answer.allowed = verdict.action != ACCESS_DENY
    answer.hinted = rules.hints
    answer.hint = verdict.action == ACCESS_LOG


cdef bint decides(const AccessRules *rules, uint32_t place, const AccessFacts *facts, AccessAnswer *answer) noexcept nogil:
    # Whether that policy holds.
    cdef const AccessPolicy *policy = &rules.policies[place]
    if not holds(&policy.permission, facts) or not holds(&policy.principal, facts):
        return False
    answer.place = <int32_t>place
    answer.policy = policy.name
    answer.allowed = rules.action != ACCESS_DENY
    answer.hint = answer.hinted
    return True


cdef void ask_all(const AccessRules *rules, const AccessFacts *facts, AccessAnswer *answer) noexcept nogil:
    cdef uint32_t i
    for i in range(rules.policies_len):
        if decides(rules, i, facts, answer):
            return


cdef bint one_value(const AccessRules *rules, const AccessFacts *facts, Span *value) noexcept nogil:
    # What the index is asked for; an empty text for a header that is not there, which no exact condition of the index accepts. False: there
    # are several.
    cdef Span second
    if rules.looked_up == ACCESS_PATH:
        value[0] = path_alone(facts.request.path)
        return True
    value[0] = span(NULL, 0)
    return not header_nth_value(rules.lookup_header, facts.request, 0, value) or \
        not header_nth_value(rules.lookup_header, facts.request, 1, &second)


cdef void ask_index(const AccessRules *rules, const AccessFacts *facts, AccessAnswer *answer) noexcept nogil:
    # Those of the value and the others, in the order of their places.
    cdef const AccessIndex *index = &rules.index
    cdef const AccessSlot *slot
    cdef uint32_t i = 0
    cdef uint32_t j = 0
    cdef uint32_t place
    cdef Span value
    if not one_value(rules, facts, &value):
        ask_all(rules, facts, answer)
        return
    slot = access_slot(index, value)
    while i < slot.places_len or j < index.rest_len:
        if j == index.rest_len or (i < slot.places_len and slot.places[i] < index.rest[j]):
            place = slot.places[i]
            i += 1
        else:
            place = index.rest[j]
            j += 1
        if decides(rules, place, facts, answer):
            return


cdef void access_ask(const AccessRules *rules, const AccessFacts *facts, AccessAnswer *answer) noexcept nogil:
    memset(answer, 0, sizeof(AccessAnswer))
    answer.place = -1
    if rules.tree != NULL:
        ask_tree(rules, facts, answer)
        return
    answer.allowed = rules.action != ACCESS_ALLOW
    answer.hinted = rules.action == ACCESS_LOG
    if rules.looked_up == ACCESS_ANY:
        ask_all(rules, facts, answer)
    else:
        ask_index(rules, facts, answer)


cdef Span access_details(const AccessAnswer *answer, Arena *arena) noexcept nogil:
    # A name may hold blanks, which would end a field of a log line.
    cdef Span name = answer.policy if answer.policy.len > 0 else span(b"none", 4)
    cdef uint32_t n = DENIED.len + name.len + 1
    cdef char *text = <char *>arena_take(arena, n)
    cdef uint32_t i
    if text == NULL:
        return span(NULL, 0)
    memcpy(text, DENIED.at, DENIED.len)
    memcpy(text + DENIED.len, name.at, name.len)
    for i in range(DENIED.len, n - 1):
        if text[i] == b' ' or 9 <= text[i] <= 13:
            text[i] = b'_'
    text[n - 1] = b']'
    return span(text, n)
