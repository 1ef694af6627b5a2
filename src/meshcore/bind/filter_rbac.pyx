"""Settings of RBAC; see filter_rbac.pxd.

Prefixes are free texts that may be equal, so each counter is registered by its whole name. Those of policies show when they count first.
"""
from libc.stdint cimport uint32_t

from meshcore.bind.access_rules cimport compile_access
from meshcore.bind.filter_scope cimport FilterScope, nearest
from meshcore.bind.matchers cimport keep
from meshcore.filter.rbac cimport RBAC_SAYS_NO, RBAC_SAYS_YES, RBAC_STATS, RbacConf, RbacSide

WORDS = {RBAC_SAYS_YES: "allowed", RBAC_SAYS_NO: "denied"}


cdef uint32_t slot(FilterScope scope, str name, bint lazy) except 0:
    scope.owned.append(name)
    return scope.registry.counter(name, lazy=lazy)


def joined(prefix, name):
    """A prefix, a dot unless it has one, and a name."""
    return f"{prefix}{name}" if not prefix or prefix.endswith(".") else f"{prefix}.{name}"


cdef int fill_side(FilterScope scope, object rules, str stats, str keys, str word, bint per_policy, RbacSide *side) except -1:
    cdef uint32_t *slots
    side.rules = compile_access(scope.arena, scope.regexes, rules)
    side.policy_key = keep(scope.arena, f"{keys}{word or 'enforced_'}effective_policy_id")
    side.result_key = keep(scope.arena, f"{keys}{word or 'enforced_'}engine_result")
    below = f"{scope.prefix}rbac."
    for says, name in WORDS.items():
        side.stats[<int>says] = slot(scope, below + joined(stats, word + name), False)
    if rules is None or not per_policy:
        return 0
    names = [one[0] for one in rules.policies or rules.verdicts]
    slots = <uint32_t *>scope.room(sizeof(uint32_t) * RBAC_STATS * len(names))
    for place, policy in enumerate(names):
        for says, name in WORDS.items():
            slots[RBAC_STATS * <int>place + <int>says] = slot(scope, below + joined(stats, f"policy.{policy}.{word}{name}"), True)
    side.of_policy = slots
    return 0


cdef void *compile_rbac_filter(FilterScope scope, tuple specs) except NULL:
    cdef RbacConf *conf = <RbacConf *>scope.room(sizeof(RbacConf))
    spec = nearest(specs)
    own = spec if scope.own is None else scope.own
    per_policy = spec.track_per_rule_stats
    fill_side(scope, spec.rules, own.rules_stat_prefix, spec.rules_stat_prefix or own.rules_stat_prefix, "", per_policy, &conf.rules)
    fill_side(scope, spec.shadow_rules, own.shadow_rules_stat_prefix, spec.shadow_rules_stat_prefix or own.shadow_rules_stat_prefix,
              "shadow_", per_policy, &conf.shadow)
    return conf
