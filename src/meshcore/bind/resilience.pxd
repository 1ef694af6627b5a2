# Compiles what a route does when its upstream fails or is slow: its retry and hedge policies, where its requests are
# mirrored to, and which redirects it follows itself.
#
# Called by bind/routes and, for what a cluster says itself, by bind/cluster_routing while a table is built, on the main thread with the GIL.
# What it makes lives in the table's arena and ends with it.
from meshcore.base.arena cimport Arena
from meshcore.bind.runtime cimport RuntimeCells
from meshcore.route.regex cimport Regex
from meshcore.route.table cimport MirrorPolicy, RetryPolicy, Route, RouteTable

# `spec`: a spec.Forward; what it does not say, its virtual host `host` does.
cdef int compile_resilience(RouteTable *table, object host, object spec, RuntimeCells cells, Route *route) except -1
cdef RetryPolicy *compile_retry(Arena *arena, Regex **regexes, object spec) except? NULL        # None: NULL
cdef MirrorPolicy *compile_mirrors(Arena *arena, object specs, RuntimeCells cells) except NULL  # their clusters are not looked up yet
