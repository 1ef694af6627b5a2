"""Compiles format strings to operators and writes them for a Record. See format.pxd for the law.

A format is an array of operators that grows in its arena while it is compiled. Text and JSON differ only in the form of each
operator: how a missing value looks, and whether a value is quoted and escaped. Operators are parsed in parse.pyx and evaluated in
value.pyx. Compiling is for the main thread; writing is for any worker, allocates nothing and cannot fail.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t
from libc.string cimport memcpy, memset

from meshcore.base.arena cimport arena_copy, arena_take
from meshcore.base.span cimport span, span_find, write_u64
from meshcore.observe.coalesce cimport coalesce_compile
from meshcore.observe.json_text cimport json_bound, json_write
from meshcore.observe.operator cimport *
from meshcore.observe.parse cimport Spelled, fail, operator_parse, parse_environment, spelled_read
from meshcore.observe.value cimport operator_value

cdef enum:
    FIRST_CAP = 16
    OPERATORS_MAX = 4096
    NUMBER_TEXT = 21               # a sign and 20 digits


cdef void format_environment(Span hostname) noexcept nogil:
    parse_environment(hostname)


cdef Format *new_format(Arena *arena, uint16_t cap, bint json) noexcept nogil:
    cdef Format *format = <Format *>arena_take(arena, sizeof(Format))
    if format == NULL:
        return NULL
    memset(format, 0, sizeof(Format))
    format.json = json
    format.cap = cap if cap > 0 else FIRST_CAP
    format.operators = <Operator *>arena_take(arena, format.cap * sizeof(Operator))
    return format if format.operators != NULL else NULL


cdef Operator *add(Arena *arena, Format *format) noexcept nogil:
    cdef Operator *grown
    if format.len == format.cap:
        if format.cap >= OPERATORS_MAX:
            return NULL
        grown = <Operator *>arena_take(arena, 2 * format.cap * sizeof(Operator))
        if grown == NULL:
            return NULL
        memcpy(grown, format.operators, format.len * sizeof(Operator))
        format.operators = grown
        format.cap *= 2
    format.len += 1
    memset(&format.operators[format.len - 1], 0, sizeof(Operator))
    return &format.operators[format.len - 1]


cdef bint add_literal(Arena *arena, Format *format, Span text, bint escape) noexcept nogil:
    # Neighbouring literals become one operator.
    cdef Operator *last = &format.operators[format.len - 1] if format.len > 0 else NULL
    cdef size_t old = 0
    cdef size_t room = json_bound(text) if escape else text.len
    cdef char *kept
    if last != NULL and last.kind == OP_LITERAL:
        old = last.text.len
    else:
        last = add(arena, format)
    kept = <char *>arena_take(arena, old + room)
    if last == NULL or kept == NULL:
        return False
    if old > 0:
        memcpy(kept, last.text.at, old)
    if escape:
        room = json_write(text, kept + old) - (kept + old)
    else:
        memcpy(kept + old, text.at, text.len)
    last.kind = OP_LITERAL
    last.text = span(kept, old + room)
    return True


cdef bint full(Arena *arena, Span *error) noexcept nogil:
    return fail(arena, error, b"the format has too many operators", span(b"", 0), b"")


cdef bint add_operator(Arena *arena, Format *format, const Spelled *spelled, uint8_t form, Span *error) noexcept nogil:
    cdef Operator parsed
    cdef Operator *op
    if not operator_parse(arena, spelled, &parsed, error):
        return False
    if parsed.kind == OP_LITERAL:
        if form == FORM_TOKEN and not add_literal(arena, format, span(b'"', 1), False):
            return full(arena, error)
        if not add_literal(arena, format, parsed.text, form != FORM_TEXT):
            return full(arena, error)
        if form == FORM_TOKEN and not add_literal(arena, format, span(b'"', 1), False):
            return full(arena, error)
        return True
    parsed.form = form
    if parsed.kind == OP_COALESCE and not coalesce_compile(arena, &parsed, error):
        return False
    op = add(arena, format)
    if op == NULL:
        return full(arena, error)
    op[0] = parsed
    return True


cdef bint add_text(Arena *arena, Format *format, Span text, uint8_t form, Span *error) noexcept nogil:
    cdef Spelled spelled
    cdef int64_t mark
    cdef size_t n
    # The spelled parts stay in the operators, so they must live as long as the arena.
    text.at = arena_copy(arena, text.at, text.len)
    if text.at == NULL:
        return full(arena, error)
    while text.len > 0:
        mark = span_find(text, b'%')
        n = text.len if mark < 0 else <size_t>mark
        if n > 0:
            if not add_literal(arena, format, span(text.at, n), form != FORM_TEXT):
                return full(arena, error)
        elif text.len > 1 and text.at[1] == b'%':
            format.has_operators = True
            n = 2
            if not add_literal(arena, format, span(text.at, 1), form != FORM_TEXT):
                return full(arena, error)
        else:
            format.has_operators = True
            n = spelled_read(text, &spelled)
            if n == 0:
                return fail(arena, error, b"no valid operator at \"", span(text.at, text.len if text.len < 40 else 40),
                            b"\": expected %NAME%, %NAME(argument)% or %NAME(argument):length%; a per cent sign is written %%")
            if not add_operator(arena, format, &spelled, form, error):
                return False
        text = span(text.at + n, text.len - n)
    return True


cdef Format *format_compile(Arena *arena, Span text, Span *error) noexcept nogil:
    cdef Format *format = new_format(arena, 0, False)
    if format == NULL:
        full(arena, error)
        return NULL
    return format if add_text(arena, format, text, FORM_TEXT, error) else NULL


cdef Format *format_json_new(Arena *arena, uint16_t cap) noexcept nogil:
    return new_format(arena, cap, True)


cdef bint format_json_literal(Arena *arena, Format *format, Span literal) noexcept nogil:
    return add_literal(arena, format, literal, False)


cdef bint format_json_value(Arena *arena, Format *format, Span text, Span *error) noexcept nogil:
    cdef Spelled spelled
    if text.len > 1 and text.at[0] == b'%' and text.at[1] != b'%' and spelled_read(text, &spelled) == text.len:
        text.at = arena_copy(arena, text.at, text.len)
        if text.at == NULL:
            return full(arena, error)
        spelled_read(text, &spelled)
        format.has_operators = True
        return add_operator(arena, format, &spelled, FORM_TOKEN, error)
    if not add_literal(arena, format, span(b'"', 1), False) or not add_text(arena, format, text, FORM_PART, error):
        return False
    return True if add_literal(arena, format, span(b'"', 1), False) else full(arena, error)


cdef bint add_structure(Arena *arena, Format *format, uint8_t kind, char bracket, Span text) noexcept nogil:
    cdef Operator *op = add(arena, format)
    if op == NULL:
        return False
    op.kind = kind
    op.part = <uint8_t>bracket
    op.text = span(arena_copy(arena, text.at, text.len), text.len)
    return op.text.at != NULL


cdef bint format_json_open(Arena *arena, Format *format, char bracket) noexcept nogil:
    if format.depth == JSON_DEPTH:
        return False
    format.depth += 1
    return add_structure(arena, format, OP_OPEN, bracket, span(b"", 0))


cdef bint format_json_key(Arena *arena, Format *format, Span key) noexcept nogil:
    return add_structure(arena, format, OP_KEY, 0, key)


cdef bint format_json_close(Arena *arena, Format *format, char bracket) noexcept nogil:
    format.depth -= 1
    return add_structure(arena, format, OP_CLOSE, bracket, span(b"", 0))


cdef struct Nesting:
    char *starts[JSON_DEPTH + 1]   # where the member begins that each open bracket is writing now, its comma included
    int depth


cdef char *put_structure(const Operator *op, Nesting *nesting, bint omit_empty, char *at, char *end) noexcept nogil:
    # NULL: does not fit.
    if <size_t>(end - at) < op.text.len + 1:
        return NULL
    if op.kind == OP_OPEN:
        at[0] = <char>op.part
        nesting.depth += 1
        return at + 1
    if op.kind == OP_CLOSE:
        nesting.depth -= 1
        if omit_empty and op.part == b'}' and nesting.depth > 0 and (at - 1)[0] == b'{':
            return nesting.starts[nesting.depth]
        at[0] = <char>op.part
        return at + 1
    nesting.starts[nesting.depth] = at
    if (at - 1)[0] != b'{' and (at - 1)[0] != b'[':
        at[0] = b','
        at += 1
    memcpy(at, op.text.at, op.text.len)
    return at + op.text.len


cdef char *put_text(Span text, uint8_t form, char *at, char *end) noexcept nogil:
    # NULL: does not fit.
    if form == FORM_TEXT:
        if <size_t>(end - at) < text.len:
            return NULL
        if text.len > 0:
            memcpy(at, text.at, text.len)
        return at + text.len
    if <size_t>(end - at) < json_bound(text) + 2:
        return NULL
    if form == FORM_PART:
        return json_write(text, at)
    at[0] = b'"'
    at = json_write(text, at + 1)
    at[0] = b'"'
    return at + 1


cdef char *put_value(const Value *value, uint8_t form, bint omit_empty, char *at, char *end) noexcept nogil:
    if value.kind == VALUE_TEXT:
        return put_text(value.text, form, at, end)
    if value.kind == VALUE_JSON:
        return put_text(value.text, FORM_TEXT if form == FORM_TOKEN else form, at, end)
    if end - at < NUMBER_TEXT:
        return NULL
    if value.kind == VALUE_NUMBER:
        if value.number >= 0:
            return at + write_u64(at, <uint64_t>value.number)
        at[0] = b'-'
        return at + 1 + write_u64(at + 1, <uint64_t>-value.number)
    if form == FORM_TOKEN and not omit_empty:
        memcpy(at, b"null", 4)
        return at + 4
    if omit_empty:
        return at
    at[0] = b'-'
    return at + 1


cdef char *format_write(const Format *format, Record *record, char *out, char *end) noexcept nogil:
    cdef char scratch[SCRATCH]
    cdef const Operator *op = format.operators
    cdef const Operator *last = op + format.len
    cdef Nesting nesting
    cdef Value value
    cdef char *at
    nesting.depth = 0
    while op < last:
        if op.kind == OP_LITERAL:
            if <size_t>(end - out) < op.text.len:
                return out
            memcpy(out, op.text.at, op.text.len)
            out += op.text.len
        elif op.kind >= OP_OPEN:
            at = put_structure(op, &nesting, format.omit_empty, out, end)
            if at == NULL:
                return out
            out = at
        else:
            operator_value(op, record, scratch, &value)
            if value.kind == VALUE_MISSING and op.form == FORM_TOKEN and format.omit_empty:
                out = nesting.starts[nesting.depth]
            else:
                at = put_value(&value, op.form, format.omit_empty, out, end)
                if at == NULL:
                    return out
                if op.limited and value.kind == VALUE_NUMBER and op.form != FORM_TOKEN and at - out > <ptrdiff_t>op.limit:
                    at = out + op.limit        # a choice of COALESCE, as text
                out = at
        op += 1
    return out


cdef size_t format_bound(const Format *format, Record *record) noexcept nogil:
    cdef char scratch[SCRATCH]
    cdef const Operator *op = format.operators
    cdef const Operator *last = op + format.len
    cdef Value value
    cdef size_t total = 0
    while op < last:
        if op.kind == OP_LITERAL:
            total += op.text.len
        elif op.kind >= OP_OPEN:
            total += op.text.len + 1
        else:
            operator_value(op, record, scratch, &value)
            total += NUMBER_TEXT
            if value.kind == VALUE_TEXT or value.kind == VALUE_JSON:
                total += value.text.len if op.form == FORM_TEXT else json_bound(value.text) + 2
        op += 1
    return total
