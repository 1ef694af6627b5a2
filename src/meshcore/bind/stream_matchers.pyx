"""Compiles conditions upon a stream; see stream_matchers.pxd for the law."""
import socket

from libc.string cimport memcpy

from meshcore.base.span cimport Span
from meshcore.bind.matchers cimport compile_string, keep, take
from meshcore.route.stream_matcher cimport (
    ASKED_NO, ASKED_NOTHING, ASKED_YES, TEST_ANY_ITEM, TEST_ANY_OF, TEST_BOOL, TEST_NULL, TEST_NUMBER, TEST_PRESENT, TEST_RANGE,
    TEST_STRING, ValueMatcher,
)

VALUE_TESTS = {
    "null": TEST_NULL, "bool": TEST_BOOL, "number": TEST_NUMBER, "range": TEST_RANGE, "string": TEST_STRING, "present": TEST_PRESENT,
    "any_item": TEST_ANY_ITEM, "any_of": TEST_ANY_OF,
}
ASKED = {None: ASKED_NOTHING, False: ASKED_NO, True: ASKED_YES}


cdef Cidr *compile_cidrs(Arena *arena, object specs, uint16_t *n) except? NULL:
    cdef Cidr *list
    n[0] = len(specs)
    if n[0] == 0:
        return NULL
    list = <Cidr *>take(arena, n[0] * sizeof(Cidr))
    for i, (host, bits) in enumerate(specs):
        raw = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
        list[<int>i].address.family = 6 if ":" in host else 4
        list[<int>i].bits = min(bits, 8 * len(raw))
        memcpy(list[<int>i].address.bytes, <const char *>raw, len(raw))
    return list


cdef int compile_value(Arena *arena, Regex **regexes, object spec, ValueMatcher *out) except -1:
    out.test = VALUE_TESTS[spec.test]
    out.flag = spec.flag
    out.start = spec.start
    out.end = spec.end
    if spec.string is not None:
        compile_string(arena, regexes, spec.string, &out.string)
    out.parts_len = len(spec.parts)
    out.parts = <ValueMatcher *>take(arena, out.parts_len * sizeof(ValueMatcher))
    for i, part in enumerate(spec.parts):
        compile_value(arena, regexes, part, &out.parts[<int>i])
    return 0


cdef int compile_metadata_match(Arena *arena, Regex **regexes, object spec, MetadataMatcher *out) except -1:
    cdef Span *path = <Span *>take(arena, len(spec.path) * sizeof(Span))
    out.namespace = keep(arena, spec.namespace)
    for i, key in enumerate(spec.path):
        path[<int>i] = keep(arena, key)
    out.path = path
    out.path_len = len(spec.path)
    out.invert = spec.invert
    return compile_value(arena, regexes, spec.value, &out.value)


cdef int compile_filter_state(Arena *arena, Regex **regexes, object spec, FilterStateMatcher *out) except -1:
    out.key = keep(arena, spec.key)
    if spec.string is not None:
        return compile_string(arena, regexes, spec.string, &out.string)
    out.by_address = True
    out.ranges = compile_cidrs(arena, spec.ranges, &out.ranges_len)
    return 0


cdef StreamMatcher *compile_stream(Arena *arena, Regex **regexes, object spec) except? NULL:
    cdef StreamMatcher *matcher
    cdef MetadataMatcher *metadata
    cdef FilterStateMatcher *filter_state
    if spec.tls_presented is None and spec.tls_validated is None and not spec.metadata and not spec.filter_state:
        return NULL
    matcher = <StreamMatcher *>take(arena, sizeof(StreamMatcher))
    matcher.peer_presented = ASKED[spec.tls_presented]
    matcher.peer_validated = ASKED[spec.tls_validated]
    metadata = <MetadataMatcher *>take(arena, len(spec.metadata) * sizeof(MetadataMatcher))
    for i, one in enumerate(spec.metadata):
        compile_metadata_match(arena, regexes, one, &metadata[<int>i])
    filter_state = <FilterStateMatcher *>take(arena, len(spec.filter_state) * sizeof(FilterStateMatcher))
    for i, one in enumerate(spec.filter_state):
        compile_filter_state(arena, regexes, one, &filter_state[<int>i])
    matcher.metadata = metadata
    matcher.metadata_len = len(spec.metadata)
    matcher.filter_state = filter_state
    matcher.filter_state_len = len(spec.filter_state)
    return matcher
