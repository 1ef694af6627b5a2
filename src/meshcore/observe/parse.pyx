"""Reads the spelling of one operator and checks its argument. See parse.pxd for the law.

The grammar of each argument is one function; catalog.pyx says which operator uses which. Everything that a stream cannot change is
decided here (environment, host name, header numbers, units), so that writing a line only reads. Errors name the operator and say
what would be accepted. Main thread only; memory comes from the arena of the table that is being built.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport getenv
from libc.string cimport memcpy, strlen

from meshcore.base.arena cimport arena_copy, arena_take
from meshcore.base.span cimport lower, parse_u64, span, span_equal, span_find, span_is, span_is_nocase
from meshcore.codec.head cimport H_HOST, H_OTHER, head_identify
from meshcore.observe.catalog cimport *
from meshcore.observe.operator cimport *
from meshcore.observe.walltime cimport time_pattern_has_newline

cdef enum:
    LIMIT_MAX = 0x7fffffff         # a longer length cuts nothing

cdef Span host_name = span(b"-", 1)


cdef void parse_environment(Span hostname) noexcept nogil:
    global host_name
    host_name = hostname


cdef bint fail(Arena *arena, Span *error, const char *before, Span named, const char *after) noexcept nogil:
    cdef size_t head = strlen(before)
    cdef size_t tail = strlen(after)
    cdef char *text = <char *>arena_take(arena, head + named.len + tail)
    error[0] = span(b"out of memory", 13)
    if text != NULL:
        memcpy(text, before, head)
        memcpy(text + head, named.at, named.len)
        memcpy(text + head + named.len, after, tail)
        error[0] = span(text, head + named.len + tail)
    return False


cdef bint join(Arena *arena, Span *error, Span a, Span b) noexcept nogil:
    cdef char *text = <char *>arena_take(arena, a.len + b.len)
    if text != NULL:
        memcpy(text, a.at, a.len)
        memcpy(text + a.len, b.at, b.len)
        error[0] = span(text, a.len + b.len)
    return False


cdef inline bint name_char(char c) noexcept nogil:
    return (c >= b'A' and c <= b'Z') or (c >= b'0' and c <= b'9') or c == b'_'


cdef size_t tail_read(Span text, size_t i, Spelled *out) noexcept nogil:
    # An optional ":digits" and the closing per cent sign, from `i`: where the operator ends, 0 when this is not its end.
    cdef uint64_t limit
    cdef size_t start
    out.limited = False
    if i < text.len and text.at[i] == b':':
        start = i + 1
        i = start
        while i < text.len and text.at[i] >= 48 and text.at[i] <= 57:
            i += 1
        if not parse_u64(span(text.at + start, i - start), &limit):
            return 0
        out.limited = True
        out.limit = <uint32_t>min(limit, <uint64_t>LIMIT_MAX)
    if i < text.len and text.at[i] == b'%':
        return i + 1
    return 0


cdef size_t spelled_read(Span text, Spelled *out) noexcept nogil:
    cdef size_t i = 1
    cdef size_t start
    cdef size_t end
    while i < text.len and name_char(text.at[i]):
        i += 1
    out.name = span(text.at + 1, i - 1)
    out.argument = span(text.at + i, 0)
    out.has_argument = False
    if i == 1:
        return 0
    if i == text.len or text.at[i] != b'(':
        return tail_read(text, i, out)
    # The argument ends at the first ")" that the rest of an operator follows, so it may itself hold one.
    i += 1
    start = i
    while i < text.len and text.at[i] != b'\n':
        if text.at[i] == b')':
            end = tail_read(text, i + 1, out)
            if end > 0:
                out.argument = span(text.at + start, i - start)
                out.has_argument = True
                return end
        i += 1
    return 0


cdef bint header_char(char c) noexcept nogil:
    # tchar of RFC 9110 5.6.2; ":" opens the pseudo headers.
    if (c >= b'a' and c <= b'z') or (c >= b'0' and c <= b'9'):
        return True
    return c == b'-' or c == b'_' or c == b'.' or c == b'!' or c == b'#' or c == b'$' or c == b'%' or c == b'&' or c == b"'" \
        or c == b'*' or c == b'+' or c == b'^' or c == b'`' or c == b'|' or c == b'~' or c == b':'


cdef uint8_t identify(Span name, uint8_t head) noexcept nogil:
    cdef uint8_t id
    if name.at[0] != b':':
        id = head_identify(name.at, name.len)
        # The Host of a request is kept as its authority.
        return PSEUDO_AUTHORITY if id == H_HOST and head == HEAD_REQUEST else id
    if head == HEAD_REQUEST:
        if span_is(name, b":method", 7):
            return PSEUDO_METHOD
        if span_is(name, b":path", 5):
            return PSEUDO_PATH
        if span_is(name, b":authority", 10):
            return PSEUDO_AUTHORITY
        if span_is(name, b":scheme", 7):
            return PSEUDO_SCHEME
        if span_is(name, b":protocol", 9):
            return PSEUDO_PROTOCOL
    elif head == HEAD_RESPONSE and span_is(name, b":status", 7):
        return PSEUDO_STATUS
    return H_OTHER


cdef bint header_name_read(Arena *arena, Span name, uint8_t head, Span *text, uint8_t *id) noexcept nogil:
    cdef char *copy = arena_copy(arena, name.at, name.len)
    cdef size_t i
    if copy == NULL or name.len == 0:
        return False
    for i in range(name.len):
        copy[i] = lower(copy[i])
        if not header_char(copy[i]):
            return False
    text[0] = span(copy, name.len)
    id[0] = identify(text[0], head)
    return True


cdef bint read_header(Arena *arena, Span name, Span argument, Operator *out, Span *error) noexcept nogil:
    cdef int64_t mark = span_find(argument, b'?')
    cdef Span main = argument
    cdef Span other
    if mark >= 0:
        main = span(argument.at, <size_t>mark)
        other = span(argument.at + mark + 1, argument.len - mark - 1)
        if span_find(other, b'?') >= 0:
            return fail(arena, error, b"more than one alternative header in \"", argument, b"\"")
        if other.len > 0 and not header_name_read(arena, other, out.head, &out.other, &out.other_id):
            return fail(arena, error, b"not a header name: \"", other, b"\"")
    # Without a first choice ("?b") there is only the second, and without any the operator is as good as a header that never comes.
    if main.len > 0 and not header_name_read(arena, main, out.head, &out.text, &out.id):
        return fail(arena, error, b"not a header name: \"", main, b"\"")
    return True


cdef bint read_duration(Arena *arena, Span argument, Operator *out, Span *error) noexcept nogil:
    cdef int64_t first = span_find(argument, b':')
    cdef int64_t second
    cdef Span start, end, unit
    cdef int offset, until
    if first < 0:
        return fail(arena, error, b"COMMON_DURATION(", argument, b"): expected START:END or START:END:ms|us|ns")
    start = span(argument.at, <size_t>first)
    end = span(argument.at + first + 1, argument.len - first - 1)
    second = span_find(end, b':')
    out.unit = 1000000
    if second >= 0:
        unit = span(end.at + second + 1, end.len - second - 1)
        end.len = <uint32_t>second
        if span_is(unit, b"us", 2):
            out.unit = 1000
        elif span_is(unit, b"ns", 2):
            out.unit = 1
        elif not span_is(unit, b"ms", 2):
            return fail(arena, error, b"COMMON_DURATION: unknown precision \"", unit, b"\": expected ms, us or ns")
    offset = catalog_time_point(start)
    until = catalog_time_point(end)
    # Any other word is the name of a time point that a filter may set: legal, and missing as long as none does.
    if offset < 0 or until < 0:
        out.kind = OP_ABSENT
        return True
    out.offset = <uint16_t>offset
    out.until = <uint16_t>until
    return True


cdef bint read_path(Arena *arena, Span argument, Operator *out, Span *error) noexcept nogil:
    cdef int64_t colon = span_find(argument, b':')
    cdef Span query = argument
    cdef Span source = span(argument.at, 0)
    if colon >= 0:
        query.len = <uint32_t>colon
        source = span(argument.at + colon + 1, argument.len - colon - 1)
        colon = span_find(source, b':')
        if colon >= 0:
            source.len = <uint32_t>colon
    if span_is(query, b"NQ", 2):
        out.part = 1
    elif query.len > 0 and not span_is(query, b"WQ", 2):
        return fail(arena, error, b"PATH: unknown option \"", query, b"\": expected WQ (with query) or NQ (no query)")
    if span_is(source, b"ORIG", 4):
        out.source = PATH_ORIGINAL
    elif span_is(source, b"PATH", 4):
        out.source = PATH_NOW
    elif source.len > 0 and not span_is(source, b"ORIG_OR_PATH", 12):
        return fail(arena, error, b"PATH: unknown source \"", source, b"\": expected ORIG, PATH or ORIG_OR_PATH")
    return True


cdef bint read_query(Arena *arena, Span argument, Operator *out, Span *error) noexcept nogil:
    if span_is(argument, b"DECODED", 7):
        out.part = 1
    elif argument.len > 0 and not span_is(argument, b"ORIG", 4):
        return fail(arena, error, b"QUERY_PARAMS: unknown option \"", argument, b"\": expected ORIG or DECODED")
    return True


cdef bint read_grpc(Arena *arena, Span argument, Operator *out, Span *error) noexcept nogil:
    if span_is(argument, b"SNAKE_STRING", 12):
        out.part = GRPC_SNAKE
    elif span_is(argument, b"NUMBER", 6):
        out.part = GRPC_NUMBER
    elif argument.len > 0 and not span_is(argument, b"CAMEL_STRING", 12):
        return fail(arena, error, b"GRPC_STATUS: unknown form \"", argument, b"\": expected CAMEL_STRING, SNAKE_STRING or NUMBER")
    return True


cdef bint read_environment(Arena *arena, Span argument, Operator *out, Span *error) noexcept nogil:
    cdef char *name = <char *>arena_take(arena, argument.len + 1)
    cdef const char *value
    if name == NULL:
        return fail(arena, error, b"out of memory", span(b"", 0), b"")
    memcpy(name, argument.at, argument.len)
    name[argument.len] = 0
    value = getenv(name)
    out.text = span(b"-", 1)
    if value != NULL:
        # The variable may change later; the format keeps what it was at load.
        out.text = span(arena_copy(arena, value, strlen(value)), strlen(value))
        if out.limited and out.text.len > out.limit:
            out.text.len = out.limit
    return True


cdef bint read_xfcc(Arena *arena, Span argument, Operator *out, Span *error) noexcept nogil:
    cdef Span[7] names = [span(b"by", 2), span(b"hash", 4), span(b"cert", 4), span(b"chain", 5), span(b"subject", 7),
                        span(b"uri", 3), span(b"dns", 3)]
    cdef int i
    for i in range(7):
        if span_is_nocase(argument, names[i].at, names[i].len):
            out.text = names[i]
            return True
    return fail(arena, error, b"XFCC_VALUE: unknown element \"", argument,
                b"\": expected by, hash, cert, chain, subject, uri or dns")


cdef bint read_metadata_path(Arena *arena, Span argument, Operator *out, Span *error) noexcept nogil:
    # NAMESPACE:KEY:KEY...
    cdef Span *path = <Span *>arena_take(arena, (argument.len + 1) * sizeof(Span))
    cdef int64_t colon = span_find(argument, b':')
    if path == NULL:
        return fail(arena, error, b"out of memory", span(b"", 0), b"")
    out.text = argument if colon < 0 else span(argument.at, <size_t>colon)
    while colon >= 0:
        argument = span(argument.at + colon + 1, argument.len - <size_t>colon - 1)
        colon = span_find(argument, b':')
        path[out.path_len] = argument if colon < 0 else span(argument.at, <size_t>colon)
        out.path_len += 1
    out.path = path
    return True


cdef bint read_metadata(Arena *arena, Span argument, Operator *out, Span *error) noexcept nogil:
    cdef Span[7] sources = [span(b"DYNAMIC", 7), span(b"ROUTE", 5), span(b"VIRTUAL_HOST", 12), span(b"CLUSTER", 7),
                            span(b"UPSTREAM_HOST", 13), span(b"LISTENER", 8), span(b"LISTENER_FILTER_CHAIN", 21)]
    cdef int64_t colon = span_find(argument, b':')
    cdef Span source = argument if colon < 0 else span(argument.at, <size_t>colon)
    cdef int i
    for i in range(7):
        if span_equal(source, sources[i]):
            out.part = <uint8_t>i
            if colon < 0:
                # Nothing is asked for.
                out.kind = OP_ABSENT
                return True
            return read_metadata_path(arena, span(argument.at + colon + 1, argument.len - <size_t>colon - 1), out, error)
    return fail(arena, error, b"METADATA: unknown source \"", source,
                b"\": expected DYNAMIC, CLUSTER, ROUTE, UPSTREAM_HOST, LISTENER, VIRTUAL_HOST or LISTENER_FILTER_CHAIN")


cdef bint read_filter_state(Arena *arena, Span argument, Operator *out, Span *error) noexcept nogil:
    cdef int64_t colon = span_find(argument, b':')
    cdef Span form = span(b"TYPED", 5)
    cdef Span *field
    cdef bint has_field = False
    if colon == 0:
        return fail(arena, error, b"FILTER_STATE: the key is empty in \"", argument, b"\"")
    if colon > 0:
        form = span(argument.at + colon + 1, argument.len - colon - 1)
        colon = span_find(form, b':')
        if colon >= 0:
            has_field = True
            form.len = <uint32_t>colon
    if not span_is(form, b"TYPED", 5) and not span_is(form, b"PLAIN", 5) and not span_is(form, b"FIELD", 5):
        return fail(arena, error, b"FILTER_STATE: unknown form \"", form, b"\": expected PLAIN, TYPED or FIELD:NAME")
    if span_is(form, b"FIELD", 5) != has_field:
        return fail(arena, error, b"FILTER_STATE: a field name belongs to FIELD and to nothing else in \"", argument, b"\"")
    colon = span_find(argument, b':')
    out.text = argument if colon < 0 else span(argument.at, <size_t>colon)
    out.part = span_is(form, b"TYPED", 5)
    if has_field:
        out.part = 2
        out.path_len = 1
        field = <Span *>arena_take(arena, sizeof(Span))
        if field == NULL:
            return fail(arena, error, b"out of memory", span(b"", 0), b"")
        out.path = field
        field[0] = span(form.at + form.len + 1, <size_t>(argument.at + argument.len - form.at) - form.len - 1)
    return True


cdef bint read_argument(Arena *arena, uint8_t grammar, const Spelled *spelled, Operator *out, Span *error) noexcept nogil:
    cdef Span argument = spelled.argument
    cdef uint64_t bits
    if grammar == GRAMMAR_TIME:
        if time_pattern_has_newline(argument):
            return fail(arena, error, b"", spelled.name, b": the time pattern contains a newline")
        out.text = argument
    elif grammar == GRAMMAR_DURATION:
        return read_duration(arena, argument, out, error)
    elif grammar == GRAMMAR_HEADER or grammar == GRAMMAR_HEADER_WITHOUT_QUERY:
        out.part = grammar == GRAMMAR_HEADER_WITHOUT_QUERY
        return read_header(arena, spelled.name, argument, out, error)
    elif grammar == GRAMMAR_PARAMETER:
        out.text = argument
    elif grammar == GRAMMAR_PATH:
        return read_path(arena, argument, out, error)
    elif grammar == GRAMMAR_DETAILS:
        # Any other word is accepted and means nothing.
        if span_is(argument, b"ALLOW_WHITESPACES", 17):
            out.kind = OP_SPAN
    elif grammar == GRAMMAR_QUERY:
        return read_query(arena, argument, out, error)
    elif grammar == GRAMMAR_METADATA:
        return read_metadata(arena, argument, out, error)
    elif grammar == GRAMMAR_DYNAMIC:
        return read_metadata_path(arena, argument, out, error)
    elif grammar == GRAMMAR_FILTER_STATE:
        return read_filter_state(arena, argument, out, error)
    elif grammar == GRAMMAR_COALESCE:
        out.text = argument
    elif grammar == GRAMMAR_GRPC:
        return read_grpc(arena, argument, out, error)
    elif grammar == GRAMMAR_PREFIX:
        if argument.len > 0:
            if not parse_u64(argument, &bits):
                return fail(arena, error, b"not a prefix length: \"", argument, b"\": expected 0 to 32, or to 128 for IPv6")
            out.part = ADDRESS_MASKED
            out.prefix = <uint8_t>min(bits, <uint64_t>128)
    elif grammar == GRAMMAR_ENVIRONMENT:
        return read_environment(arena, argument, out, error)
    elif grammar == GRAMMAR_HOSTNAME:
        out.text = host_name
    elif grammar == GRAMMAR_XFCC:
        return read_xfcc(arena, argument, out, error)
    return True


cdef bint unknown(Arena *arena, Span name, Span *error) noexcept nogil:
    cdef Span nearest = catalog_nearest(name)
    cdef Span meant
    if nearest.len == 0:
        return fail(arena, error, b"unknown operator ", name, b"")
    fail(arena, &meant, b"", nearest, b"?")
    fail(arena, error, b"unknown operator ", name, b": did you mean ")
    return join(arena, error, error[0], meant)


cdef bint operator_parse(Arena *arena, const Spelled *spelled, Operator *out, Span *error) noexcept nogil:
    cdef const Entry *entry = catalog_find(spelled.name)
    if entry == NULL:
        return unknown(arena, spelled.name, error)
    out[0] = entry.step
    if entry.grammar == GRAMMAR_REFUSED:
        return fail(arena, error, b"", spelled.name, b" is not supported")
    if entry.argument == ARGUMENT_NONE and spelled.argument.len > 0:
        return fail(arena, error, b"", spelled.name, b" takes no argument")
    if entry.argument == ARGUMENT_REQUIRED and spelled.argument.len == 0:
        return fail(arena, error, b"", spelled.name, b" requires an argument in parentheses")
    if spelled.limited and not entry.length:
        return fail(arena, error, b"", spelled.name, b" takes no length")
    out.limited = spelled.limited
    out.limit = spelled.limit
    return read_argument(arena, entry.grammar, spelled, out, error)
