"""Compiles the argument of %COALESCE%: {"operators": ["NAME" or {"command": "NAME", "param": "...", "max_length": N}, ...]}.

Owns a reader for just this shape; whatever else the object holds is skipped as JSON. A choice may be another COALESCE, to a depth of
DEPTH_MAX. Main thread only; everything it makes lives in the arena of the table that is being built.
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from meshcore.base.arena cimport arena_take
from meshcore.base.span cimport parse_u64, span, span_is
from meshcore.observe.operator cimport OP_COALESCE, Operator
from meshcore.observe.parse cimport Spelled, fail, operator_parse

cdef enum:
    DEPTH_MAX = 16
    CHOICES_MAX = 64
    LIMIT_MAX = 0x7fffffff

cdef struct Reader:
    Arena *arena
    const char *at
    const char *end


cdef char peek(Reader *reader) noexcept nogil:
    # The next byte that is no white space; 0 at the end.
    while reader.at < reader.end and (reader.at[0] == b' ' or reader.at[0] == b'\t' or reader.at[0] == b'\r' or reader.at[0] == b'\n'):
        reader.at += 1
    return reader.at[0] if reader.at < reader.end else 0


cdef bint accept(Reader *reader, char c) noexcept nogil:
    if peek(reader) != c:
        return False
    reader.at += 1
    return True


cdef bint hex_digit(char c, uint32_t *v) noexcept nogil:
    if c >= b'0' and c <= b'9':
        v[0] = v[0] * 16 + <uint32_t>(c - 48)
    elif (c | 32) >= b'a' and (c | 32) <= b'f':
        v[0] = v[0] * 16 + <uint32_t>((c | 32) - 87)
    else:
        return False
    return True


cdef bint read_escape(Reader *reader, char *out, size_t *n) noexcept nogil:
    # One escape after its backslash. Operators and header names are ASCII: other code points are refused.
    cdef uint32_t code = 0
    cdef int i
    cdef char c = reader.at[0]
    reader.at += 1
    if c == b'u':
        if reader.end - reader.at < 4:
            return False
        for i in range(4):
            if not hex_digit(reader.at[i], &code):
                return False
        reader.at += 4
        if code == 0 or code > 127:
            return False
        c = <char>code
    elif c == b'n':
        c = b'\n'
    elif c == b't':
        c = b'\t'
    elif c == b'r':
        c = b'\r'
    elif c != b'"' and c != b'\\' and c != b'/':
        return False
    out[n[0]] = c
    n[0] += 1
    return True


cdef bint read_string(Reader *reader, Span *out) noexcept nogil:
    cdef char *text
    cdef size_t n = 0
    if not accept(reader, b'"'):
        return False
    text = <char *>arena_take(reader.arena, reader.end - reader.at)
    while text != NULL and reader.at < reader.end and reader.at[0] != b'"':
        if reader.at[0] == b'\\':
            reader.at += 1
            if reader.at == reader.end or not read_escape(reader, text, &n):
                return False
            continue
        text[n] = reader.at[0]
        n += 1
        reader.at += 1
    out[0] = span(text, n)
    return text != NULL and accept(reader, b'"')


cdef bint skip(Reader *reader, int depth) noexcept nogil:
    # Any JSON value.
    cdef Span ignored
    cdef char close = b']'
    cdef char c = peek(reader)
    cdef const char *start
    if c == b'"':
        return read_string(reader, &ignored)
    if c == b'{' or c == b'[':
        if depth == 0:
            return False
        reader.at += 1
        if c == b'{':
            close = b'}'
        if accept(reader, close):
            return True
        while True:
            if c == b'{' and not (read_string(reader, &ignored) and accept(reader, b':')):
                return False
            if not skip(reader, depth - 1):
                return False
            if not accept(reader, b','):
                return accept(reader, close)
    start = reader.at
    while reader.at < reader.end and reader.at[0] != b',' and reader.at[0] != b'}' and reader.at[0] != b']' and reader.at[0] > 32:
        reader.at += 1
    return reader.at > start


cdef bint read_limit(Reader *reader, Spelled *out) noexcept nogil:
    cdef const char *start
    cdef uint64_t limit = 0
    peek(reader)
    start = reader.at
    while reader.at < reader.end and reader.at[0] >= 48 and reader.at[0] <= 57:
        reader.at += 1
    out.limited = True
    if not parse_u64(span(start, reader.at - start), &limit) or limit == 0:
        return False
    out.limit = <uint32_t>min(limit, <uint64_t>LIMIT_MAX)
    return True


cdef bint read_choice(Reader *reader, Spelled *out, Span *error) noexcept nogil:
    cdef Span key
    cdef Span nothing = span(b"", 0)
    memset(out, 0, sizeof(Spelled))
    if peek(reader) == b'"':
        return True if read_string(reader, &out.name) else broken(reader, error)
    if not accept(reader, b'{'):
        return fail(reader.arena, error, b"COALESCE: each of \"operators\" must be a name or an object with \"command\"", nothing, b"")
    while peek(reader) != b'}':
        if not read_string(reader, &key) or not accept(reader, b':'):
            return broken(reader, error)
        if span_is(key, b"command", 7):
            if not read_string(reader, &out.name):
                return fail(reader.arena, error, b"COALESCE: \"command\" must be a string", nothing, b"")
        elif span_is(key, b"param", 5):
            out.has_argument = True
            if not read_string(reader, &out.argument):
                return fail(reader.arena, error, b"COALESCE: \"param\" must be a string", nothing, b"")
        elif span_is(key, b"max_length", 10):
            if not read_limit(reader, out):
                return fail(reader.arena, error, b"COALESCE: \"max_length\" must be a positive integer", nothing, b"")
        elif not skip(reader, DEPTH_MAX):
            return broken(reader, error)
        if not accept(reader, b',') and peek(reader) != b'}':
            return broken(reader, error)
    reader.at += 1
    if out.name.len == 0:
        return fail(reader.arena, error, b"COALESCE: an object in \"operators\" must have \"command\"", nothing, b"")
    return True


cdef bint broken(Reader *reader, Span *error) noexcept nogil:
    return fail(reader.arena, error, b"COALESCE: not valid JSON at \"", span(reader.at, reader.end - reader.at), b"\"")


cdef bint read_choices(Reader *reader, Operator *op, int depth, Span *error) noexcept nogil:
    cdef Spelled spelled
    cdef Operator *choice
    op.choices_len = 0
    op.choices = <Operator *>arena_take(reader.arena, CHOICES_MAX * sizeof(Operator))
    if op.choices == NULL or not accept(reader, b'['):
        return fail(reader.arena, error, b"COALESCE: \"operators\" must be an array", span(b"", 0), b"")
    while peek(reader) != b']':
        if op.choices_len == CHOICES_MAX:
            return fail(reader.arena, error, b"COALESCE: more than 64 operators", span(b"", 0), b"")
        choice = &op.choices[op.choices_len]
        if not read_choice(reader, &spelled, error) or not operator_parse(reader.arena, &spelled, choice, error):
            return False
        choice.form = op.form
        if choice.kind == OP_COALESCE and not compile_at(reader.arena, choice, depth + 1, error):
            return False
        op.choices_len += 1
        if not accept(reader, b',') and peek(reader) != b']':
            return broken(reader, error)
    reader.at += 1
    if op.choices_len == 0:
        return fail(reader.arena, error, b"COALESCE: \"operators\" must not be empty", span(b"", 0), b"")
    return True


cdef bint compile_at(Arena *arena, Operator *op, int depth, Span *error) noexcept nogil:
    cdef Reader reader
    cdef Span key
    cdef bint found = False
    reader.arena = arena
    reader.at = op.text.at
    reader.end = op.text.at + op.text.len
    if depth > DEPTH_MAX or not accept(&reader, b'{'):
        return broken(&reader, error)
    while peek(&reader) != b'}':
        if not read_string(&reader, &key) or not accept(&reader, b':'):
            return broken(&reader, error)
        if span_is(key, b"operators", 9):
            found = True
            if not read_choices(&reader, op, depth, error):
                return False
        elif not skip(&reader, DEPTH_MAX):
            return broken(&reader, error)
        if not accept(&reader, b',') and peek(&reader) != b'}':
            return broken(&reader, error)
    reader.at += 1
    if peek(&reader) != 0:
        return broken(&reader, error)
    return True if found else fail(arena, error, b"COALESCE: the JSON must have an array \"operators\"", span(b"", 0), b"")


cdef bint coalesce_compile(Arena *arena, Operator *op, Span *error) noexcept nogil:
    return compile_at(arena, op, 0, error)
