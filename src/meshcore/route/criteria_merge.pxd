# Criteria of one request: those of its route with what its dynamic metadata wants laid over them (Envoy merges `envoy.lb` in this way).
#
# The result and its texts lie in the request's arena. Values are canonical as those that configuration has (bind/load_balancer), so equal
# values have equal bytes. Worker thread.
from meshcore.base.arena cimport Arena
from meshcore.observe.metadata cimport MetaValue
from meshcore.route.criteria cimport Criteria

# `base` may be NULL and is the answer when `wanted` has no member, or there is no memory, or there are too many pairs.
cdef const Criteria *criteria_merge(const Criteria *base, const MetaValue *wanted, Arena *arena) noexcept nogil
