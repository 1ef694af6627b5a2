# Compiles rate limit rules (spec.RateLimit) into an arena. Main thread, with the GIL.
from meshcore.base.arena cimport Arena
from meshcore.route.rate_limit cimport RateRules
from meshcore.route.regex cimport Regex

# `node_cluster`: what source_cluster answers.
cdef int fill_rate_rules(Arena *arena, Regex **regexes, object specs, str node_cluster, RateRules *out) except -1
