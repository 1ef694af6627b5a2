# Compiles rate limit rules (spec.RateLimit), and the service that counts for them, into an arena. Main thread, with the GIL.
from meshcore.base.arena cimport Arena
from meshcore.bind.runtime cimport RuntimeCells
from meshcore.filter.rate_limit_service cimport RateLimitService
from meshcore.route.rate_limit cimport RateRules
from meshcore.route.regex cimport Regex

# `node_cluster`: what source_cluster answers. `kind`: "http" or "thrift".
cdef int fill_rate_rules(Arena *arena, Regex **regexes, RuntimeCells cells, object specs, str node_cluster, str kind, RateRules *out) except -1
# The service that is asked (filter_spec.RateLimitService).
cdef int fill_rate_service(Arena *arena, dict cluster_index, object spec, RateLimitService *out) except -1
