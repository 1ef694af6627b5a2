"""Rules about ports. See port_rule.pxd for the law."""
from libc.stdint cimport uint32_t


cdef bint port_rule_holds(const PortRule *rule, uint32_t port) noexcept nogil:
    cdef uint32_t i
    if rule.test == PORT_ANY:
        return True
    if rule.test == PORT_RANGE:
        return rule.first <= port < rule.end
    if rule.test == PORT_NOT:
        return not port_rule_holds(&rule.parts[0], port)
    for i in range(rule.parts_len):
        if port_rule_holds(&rule.parts[i], port) == (rule.test == PORT_ONE_OF):
            return rule.test == PORT_ONE_OF
    return rule.test == PORT_ALL_OF
