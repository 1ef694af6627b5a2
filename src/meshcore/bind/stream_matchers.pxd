# Compiles spec.ValueMatch, MetadataMatch, FilterStateMatch and IP ranges to the engine's matchers, in an arena.
#
# Main thread, with the GIL; the same rules as matchers.pxd.
from libc.stdint cimport uint16_t

from meshcore.base.arena cimport Arena
from meshcore.observe.ip cimport Cidr
from meshcore.route.regex cimport Regex
from meshcore.route.stream_matcher cimport FilterStateMatcher, MetadataMatcher, StreamMatcher

cdef Cidr *compile_cidrs(Arena *arena, object specs, uint16_t *n) except? NULL              # (address, bits) pairs; NULL: none
cdef int compile_metadata_match(Arena *arena, Regex **regexes, object spec, MetadataMatcher *out) except -1
cdef int compile_filter_state(Arena *arena, Regex **regexes, object spec, FilterStateMatcher *out) except -1
cdef StreamMatcher *compile_stream(Arena *arena, Regex **regexes, object spec) except? NULL  # of spec.RouteMatch; NULL: no such condition
