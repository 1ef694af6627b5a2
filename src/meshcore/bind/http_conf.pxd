# Compiles what a connection manager and a cluster say about HTTP: versions and their limits, what is done to a request before it is routed,
# local replies. Filters and routes have files of their own. What it makes lives in the arena of a table and ends with it. Called by bind/tables
# and bind/cluster_table while a table is built, on the main thread with the GIL.
from libc.stdint cimport uint32_t

from meshcore.base.arena cimport Arena
from meshcore.bind.stats cimport StatsRegistry
from meshcore.codec.http1 cimport Http1Options
from meshcore.codec.http2 cimport Http2Options
from meshcore.conf.tables cimport HcmConf

cdef int fill_http1(object spec, object options, Http1Options *out) except -1
cdef int fill_http2(object spec, object options, const Http1Options *limits, Http2Options *out) except -1
cdef int take_http2_stats(StatsRegistry registry, str prefix, list owned, uint32_t *slots) except -1
cdef int fill_hcm(Arena *arena, object spec, HcmConf *hcm, StatsRegistry registry, dict files, tuple node, list owned) except -1
