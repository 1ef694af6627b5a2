# Regular expressions in linear time: full match and replace, as Envoy's safe_regex and regex_rewrite mean them (RE2 syntax).
#
# Compiled on the main thread, immutable, shared by all workers. The struct lies in the owner's arena; the native pattern is freed by
# regex_free_all on the owner's list, so the owner keeps the head of that list and calls it once before its arena ends.
from meshcore.base.arena cimport Arena
from meshcore.base.span cimport Span

cdef enum:
    REGEX_ERROR = 256              # room for an error text, terminator included

cdef struct Regex:
    void *native
    Regex *next                    # in the owner's list

# NULL: not a pattern, or no memory; `error` (REGEX_ERROR bytes) says which.
cdef Regex *regex_new(Arena *arena, Regex **owned, Span pattern, char *error) noexcept nogil
cdef void regex_free_all(Regex **owned) noexcept nogil
cdef bint regex_full(const Regex *regex, Span text) noexcept nogil
# All non-overlapping matches replaced, in `arena`; `text` itself when nothing matches. An empty span with at == NULL: no memory.
cdef Span regex_replace(const Regex *regex, Span text, Span substitution, Arena *arena) noexcept nogil
cdef bint regex_accepts(const Regex *regex, Span substitution, char *error) noexcept nogil
