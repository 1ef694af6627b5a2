# Compiles the part of a plan that says how hosts are chosen (lb_spec.py). Main thread, with the GIL.
from meshcore.base.arena cimport Arena
from meshcore.base.span cimport Span
from meshcore.bind.runtime cimport RuntimeCells
from meshcore.cluster.balancer cimport LbConf
from meshcore.route.criteria cimport Criteria
from meshcore.route.hash_policy cimport HashPolicy
from meshcore.route.regex cimport Regex

cdef Span *keep_all(Arena *arena, object texts) except NULL
cdef int compile_balancer(
    Arena *arena, Regex **regexes, object spec, double panic_percent, RuntimeCells cells, LbConf *out,
) except -1
cdef HashPolicy *compile_hash_policy(Arena *arena, Regex **regexes, object rules) except? NULL       # NULL: there are no rules
cdef Criteria *compile_criteria(Arena *arena, str wanted) except? NULL                               # a JSON object; NULL: empty
