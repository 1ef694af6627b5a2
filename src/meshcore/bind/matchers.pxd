# Compiles the match part of a plan (spec.StringMatch, HeaderMatch, QueryMatch) to the engine's matchers, in an arena.
#
# Main thread, with the GIL. A regular expression joins the list `regexes` of whoever owns the arena. Failures are Python exceptions:
# MemoryError, or ValueError for a pattern that the configuration layer should have refused.
from libc.stdint cimport uint16_t

from meshcore.base.arena cimport Arena
from meshcore.base.span cimport Span
from meshcore.route.matcher cimport HeaderMatcher, QueryMatcher, StringMatcher
from meshcore.route.regex cimport Regex

cdef void *take(Arena *arena, size_t n) except NULL                        # cleared memory
cdef Span keep(Arena *arena, object text) except *                         # a copy of str (UTF-8) or bytes
cdef Span keep_lower(Arena *arena, object text) except *
cdef Regex *compile_regex(Arena *arena, Regex **regexes, object pattern) except NULL
cdef int compile_string(Arena *arena, Regex **regexes, object spec, StringMatcher *out) except -1
cdef HeaderMatcher *compile_headers(Arena *arena, Regex **regexes, object specs, bint response, uint16_t *n) except? NULL
cdef QueryMatcher *compile_queries(Arena *arena, Regex **regexes, object specs, uint16_t *n) except? NULL
