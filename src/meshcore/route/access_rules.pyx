"""Access rules; see access_rules.pxd for the law."""
from libc.stdint cimport uint16_t, uint32_t

from meshcore.base.span cimport Span, span
from meshcore.observe.ip cimport cidr_holds
from meshcore.observe.metadata cimport FilterStateItem, filter_state_find
from meshcore.observe.tls_facts cimport FACT_DNS_NAMES, FACT_SUBJECT, FACT_URI_NAMES, TlsFacts, tls_fact, tls_next_name
from meshcore.route.match_tree cimport match_tree_find
from meshcore.route.matcher cimport StringMatcher, string_matches


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


cdef bint state_holds(const AccessRule *rule, const AccessFacts *facts) noexcept nogil:
    cdef const FilterStateItem *item = filter_state_find(facts.state, rule.key) if facts.state != NULL else NULL
    return item != NULL and string_matches(rule.text, item.text)


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
    if rule.test == ACCESS_REMOTE_IP:
        return cidr_holds(&rule.block, facts.remote)
    if rule.test == ACCESS_DIRECT_REMOTE_IP:
        return cidr_holds(&rule.block, facts.direct_remote)
    if rule.test == ACCESS_AUTHENTICATED:
        return is_authenticated(rule.text, facts.tls)
    return state_holds(rule, facts)


cdef bint access_allowed(const AccessRules *rules, const AccessFacts *facts, Span *policy) noexcept nogil:
    cdef uint32_t found = 0
    cdef uint16_t i
    policy[0] = span(NULL, 0)
    if rules.tree != NULL:
        if not match_tree_find(rules.tree, NULL, facts.record, &found):
            return False
        policy[0] = rules.verdicts[found].name
        return rules.verdicts[found].action != ACCESS_DENY
    for i in range(rules.policies_len):
        if holds(&rules.policies[i].permission, facts) and holds(&rules.policies[i].principal, facts):
            policy[0] = rules.policies[i].name
            return rules.action != ACCESS_DENY
    return rules.action != ACCESS_ALLOW
