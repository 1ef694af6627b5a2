"""Compiles matchers; see matchers.pxd for the law. Also answers the configuration layer's questions about regular expressions."""
from libc.string cimport memset

from meshcore.base.arena cimport arena_copy, arena_fini, arena_init, arena_take
from meshcore.base.span cimport span
from meshcore.codec.head cimport head_identify
from meshcore.route.matcher cimport (
    HEADER_PRESENT, HEADER_RANGE, HEADER_STRING, STRING_CONTAINS, STRING_EXACT, STRING_PREFIX, STRING_REGEX, STRING_SUFFIX,
    header_source,
)
from meshcore.route.regex cimport REGEX_ERROR, regex_accepts, regex_free_all, regex_full, regex_new, regex_replace

from meshcore.bind.single_headers import SINGLE_REQUEST, SINGLE_RESPONSE

STRING_KINDS = {
    "exact": STRING_EXACT,
    "prefix": STRING_PREFIX,
    "suffix": STRING_SUFFIX,
    "contains": STRING_CONTAINS,
    "regex": STRING_REGEX,
}


cdef bytes octets(object text):
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else bytes(text)


cdef void *take(Arena *arena, size_t n) except NULL:
    cdef void *memory = arena_take(arena, n + 1)
    if memory == NULL:
        raise MemoryError
    memset(memory, 0, n)
    return memory


cdef Span keep(Arena *arena, object text) except *:
    cdef bytes raw = octets(text)
    cdef char *copy = arena_copy(arena, raw, len(raw) + 1)
    if copy == NULL:
        raise MemoryError
    return span(copy, len(raw))


cdef Span keep_lower(Arena *arena, object text) except *:
    # bytes.lower touches ASCII letters only, as Envoy does.
    return keep(arena, octets(text).lower())


cdef Regex *compile_regex(Arena *arena, Regex **regexes, object pattern) except NULL:
    cdef char error[REGEX_ERROR]
    cdef Regex *regex = regex_new(arena, regexes, keep(arena, pattern), error)
    if regex == NULL:
        if error[0] == 0:
            raise MemoryError
        raise ValueError(f"regular expression {pattern!r}: {error.decode('utf-8', 'replace')}")
    return regex


cdef int compile_string(Arena *arena, Regex **regexes, object spec, StringMatcher *out) except -1:
    out.kind = STRING_KINDS[spec.kind]
    out.ignore_case = spec.ignore_case
    if out.kind == STRING_REGEX:
        out.regex = compile_regex(arena, regexes, spec.value)
    elif spec.ignore_case:
        out.value = keep_lower(arena, spec.value)
    else:
        out.value = keep(arena, spec.value)
    return 0


cdef HeaderMatcher *compile_headers(Arena *arena, Regex **regexes, object specs, bint response, uint16_t *n) except? NULL:
    cdef HeaderMatcher *list
    cdef HeaderMatcher *matcher
    single = SINGLE_RESPONSE if response else SINGLE_REQUEST
    n[0] = len(specs)
    if n[0] == 0:
        return NULL
    list = <HeaderMatcher *>take(arena, n[0] * sizeof(HeaderMatcher))
    for i, spec in enumerate(specs):
        matcher = &list[<int>i]
        matcher.name = keep_lower(arena, spec.name)
        matcher.id = head_identify(matcher.name.at, matcher.name.len)
        matcher.source = header_source(matcher.name)
        matcher.joins = spec.name.lower() in single
        matcher.invert = spec.invert
        matcher.missing_as_empty = spec.treat_missing_as_empty
        if spec.string is not None:
            matcher.kind = HEADER_STRING
            compile_string(arena, regexes, spec.string, &matcher.string)
        elif spec.range is not None:
            matcher.kind = HEADER_RANGE
            matcher.start, matcher.end = spec.range
        else:
            # A header condition without a value asks for presence.
            matcher.kind = HEADER_PRESENT
            matcher.present = spec.present is None or spec.present
    return list


cdef QueryMatcher *compile_queries(Arena *arena, Regex **regexes, object specs, uint16_t *n) except? NULL:
    cdef QueryMatcher *list
    cdef QueryMatcher *matcher
    n[0] = len(specs)
    if n[0] == 0:
        return NULL
    list = <QueryMatcher *>take(arena, n[0] * sizeof(QueryMatcher))
    for i, spec in enumerate(specs):
        matcher = &list[<int>i]
        matcher.name = keep(arena, spec.name)
        if spec.string is not None:
            compile_string(arena, regexes, spec.string, &matcher.string)
        else:
            matcher.presence_only = True
            matcher.present = spec.present is None or spec.present
    return list


def check_regex(pattern: str, substitution: str | None = None) -> str | None:
    """Why RE2 refuses `pattern`, or `substitution` (with \\0 to \\9) for it; None when both are fine."""
    cdef Arena arena
    cdef Regex *regexes = NULL
    cdef Regex *regex
    cdef char error[REGEX_ERROR]
    arena_init(&arena, NULL)
    try:
        try:
            regex = compile_regex(&arena, &regexes, pattern)
        except ValueError as failure:
            return str(failure)
        if substitution is not None and not regex_accepts(regex, keep(&arena, substitution), error):
            return f"substitution {substitution!r}: {error.decode('utf-8', 'replace')}"
        return None
    finally:
        regex_free_all(&regexes)
        arena_fini(&arena)


def regex_substituted(pattern: str, substitution: str, text: str) -> str:
    """`text` with every match of `pattern` replaced, as the engine does it."""
    cdef Arena arena
    cdef Regex *regexes = NULL
    cdef Span made
    arena_init(&arena, NULL)
    try:
        made = regex_replace(compile_regex(&arena, &regexes, pattern), keep(&arena, text), keep(&arena, substitution), &arena)
        return made.at[:made.len].decode("utf-8", "surrogateescape") if made.len > 0 else ""
    finally:
        regex_free_all(&regexes)
        arena_fini(&arena)


def regex_matches(pattern: str, text: bytes) -> bool:
    """Whether the whole of `text` matches, as the engine sees it."""
    cdef Arena arena
    cdef Regex *regexes = NULL
    arena_init(&arena, NULL)
    try:
        return regex_full(compile_regex(&arena, &regexes, pattern), keep(&arena, text))
    finally:
        regex_free_all(&regexes)
        arena_fini(&arena)
