# distutils: sources = src/meshcore/_native/regex_re2.cc
# distutils: depends = src/meshcore/_native/regex_re2.h
# distutils: libraries = re2
"""Regular expressions over RE2; see regex.pxd for the law.

Leaf code. Matching takes no lock of ours and no GIL; RE2 builds its automaton lazily under its own lock, so the first matches of
a pattern cost more than the rest.
"""
from libc.stdlib cimport free

from meshcore.base.arena cimport arena_copy, arena_take
from meshcore.base.span cimport span

cdef extern from "regex_re2.h" nogil:
    void *regex_native_new(const char *pattern, size_t n, char *error, size_t cap) noexcept
    void regex_native_free(void *native) noexcept
    int regex_native_full(const void *native, const char *text, size_t n) noexcept
    int regex_native_replace(
        const void *native, const char *text, size_t n, const char *substitute, size_t m, char **out, size_t *out_len
    ) noexcept
    int regex_native_accepts(const void *native, const char *substitute, size_t m, char *error, size_t cap) noexcept


cdef Regex *regex_new(Arena *arena, Regex **owned, Span pattern, char *error) noexcept nogil:
    cdef Regex *regex = <Regex *>arena_take(arena, sizeof(Regex))
    error[0] = 0
    if regex == NULL:
        return NULL
    regex.native = regex_native_new(pattern.at, pattern.len, error, REGEX_ERROR)
    if regex.native == NULL:
        return NULL
    regex.next = owned[0]
    owned[0] = regex
    return regex


cdef void regex_free_all(Regex **owned) noexcept nogil:
    while owned[0] != NULL:
        regex_native_free(owned[0].native)
        owned[0] = owned[0].next


cdef bint regex_full(const Regex *regex, Span text) noexcept nogil:
    return regex_native_full(regex.native, text.at, text.len) != 0


cdef Span regex_replace(const Regex *regex, Span text, Span substitution, Arena *arena) noexcept nogil:
    cdef char *result
    cdef size_t n
    cdef Span replaced = span(NULL, 0)
    if not regex_native_replace(regex.native, text.at, text.len, substitution.at, substitution.len, &result, &n):
        return replaced
    if result == NULL:
        return text
    replaced = span(arena_copy(arena, result, n), n)
    free(result)
    return replaced


cdef bint regex_accepts(const Regex *regex, Span substitution, char *error) noexcept nogil:
    return regex_native_accepts(regex.native, substitution.at, substitution.len, error, REGEX_ERROR) != 0
