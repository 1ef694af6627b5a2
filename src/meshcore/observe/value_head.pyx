"""Evaluates the operators that read message heads. See value_head.pxd for the law.

A head that does not exist has no headers. A value is borrowed from the head unless it had to be decoded or joined, which happens in
the caller's scratch. Nothing here can fail, whatever bytes a peer sent.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t
from libc.string cimport memcmp, memcpy

from meshcore.base.span cimport Span, parse_u64, span, span_find, span_is_nocase, write_u64
from meshcore.codec.head cimport *
from meshcore.observe.operator cimport *

cdef Span pseudo(Head *head, uint8_t id, char *scratch) noexcept nogil:
    if id == PSEUDO_METHOD:
        return head.method
    if id == PSEUDO_PATH:
        return head.path
    if id == PSEUDO_AUTHORITY:
        return head.authority
    if id == PSEUDO_SCHEME:
        return head.scheme
    if id == PSEUDO_PROTOCOL:
        return head.protocol
    if id == PSEUDO_STATUS and head.status != 0:
        return span(scratch, write_u64(scratch, head.status))
    return span(NULL, 0)


cdef inline Head *head_of(const Operator *op, Record *record) noexcept nogil:
    if op.head == HEAD_REQUEST:
        return record.request
    return record.response if op.head == HEAD_RESPONSE else record.trailers


cdef void join_repeated(Head *head, Header *header, char *scratch, Span *out) noexcept nogil:
    # Well-known headers are lists: repeated ones are one value with commas. Of any other only the first is printed.
    cdef Header *more = head_next(head, header)
    cdef size_t n = out.len
    if more == NULL or n > SCRATCH:
        return
    memcpy(scratch, out.at, n)
    while more != NULL and n + 1 + more.value_len <= SCRATCH:
        scratch[n] = b','
        memcpy(scratch + n + 1, more.value, more.value_len)
        n += 1 + more.value_len
        more = head_next(head, more)
    out[0] = span(scratch, n)


cdef bint find(Head *head, uint8_t id, Span name, char *scratch, Span *out) noexcept nogil:
    cdef Header *header
    if id >= PSEUDO_METHOD:
        out[0] = pseudo(head, id, scratch)
        return out.at != NULL and (out.len > 0 or id == PSEUDO_AUTHORITY)      # "Host:" is a host, the empty one
    if id == H_OTHER:
        header = head_find_name(head, name) if name.len > 0 else NULL
    else:
        header = head_find(head, id)
    if header == NULL:
        return False
    out[0] = header_value(header)
    if id != H_OTHER and id != H_COOKIE:
        join_repeated(head, header, scratch, out)
    return True


cdef Span without_query(Span path) noexcept nogil:
    cdef int64_t mark = span_find(path, b'?')
    return path if mark < 0 else span(path.at, <size_t>mark)


cdef void header_value_of(const Operator *op, Record *record, char *scratch, Value *out) noexcept nogil:
    cdef Head *head = head_of(op, record)
    if head == NULL:
        return
    if find(head, op.id, op.text, scratch, &out.text) or (
            op.other_id != PSEUDO_NONE and find(head, op.other_id, op.other, scratch, &out.text)):
        out.kind = VALUE_TEXT
        if op.part:
            out.text = without_query(out.text)


cdef uint64_t header_bytes(const Operator *op, Record *record) noexcept nogil:
    # Names and values without separators, pseudo headers by their HTTP/2 names.
    cdef Head *head = head_of(op, record)
    cdef uint64_t total = 0
    cdef uint16_t i
    if head == NULL:
        return 0
    for i in range(head.len):
        if not head.headers[i].dropped:
            total += head.headers[i].name_len + head.headers[i].value_len
    if op.head == HEAD_RESPONSE:
        return total + 7 + 3
    if op.head == HEAD_REQUEST:
        total += 7 + head.method.len if head.method.len > 0 else 0
        total += 5 + head.path.len if head.path.len > 0 else 0
        total += 10 + head.authority.len if head.authority.len > 0 else 0
        total += 7 + head.scheme.len if head.scheme.len > 0 else 0
        total += 9 + head.protocol.len if head.protocol.len > 0 else 0
    return total


cdef bint path_of(Record *record, uint8_t source, Span *out) noexcept nogil:
    if record.request == NULL:
        return False
    if source != PATH_NOW and head_has(record.request, H_ENVOY_ORIGINAL_PATH):
        out[0] = head_value(record.request, H_ENVOY_ORIGINAL_PATH)
        return True
    out[0] = record.request.path
    return source != PATH_ORIGINAL and out.len > 0


cdef void path_value(const Operator *op, Record *record, Value *out) noexcept nogil:
    if path_of(record, op.source, &out.text):
        out.kind = VALUE_TEXT
        if op.part:
            out.text = without_query(out.text)


cdef bint query_of(Record *record, Span *out) noexcept nogil:
    cdef Span path
    cdef int64_t mark
    if not path_of(record, PATH_NOW, &path):
        return False
    mark = span_find(path, b'?')
    if mark < 0:
        return False
    out[0] = span(path.at + mark + 1, path.len - <size_t>mark - 1)
    return True


cdef inline int hex_value(char c) noexcept nogil:
    if c >= b'0' and c <= b'9':
        return c - 48
    c |= 32
    return c - 87 if c >= b'a' and c <= b'f' else -1


cdef Span decoded(Span text, bint visible_only, char *scratch) noexcept nogil:
    # Percent escapes undone. `visible_only` keeps the escapes of what would hurt in a line (white space, quotes, brackets, bytes
    # beyond ASCII) and drops the per cent sign of a broken escape, which is what Envoy's URL decoder does.
    cdef size_t n = 0
    cdef size_t i = 0
    cdef int high, low, c
    while i < text.len and n < SCRATCH:
        scratch[n] = text.at[i]
        if text.at[i] == b'%' and i + 2 < text.len:
            high = hex_value(text.at[i + 1])
            low = hex_value(text.at[i + 2])
            c = high * 16 + low
            if high < 0 or low < 0:
                if visible_only:
                    n -= 1
            elif not visible_only or visible(c):
                scratch[n] = <char>c
                i += 2
        n += 1
        i += 1
    return span(scratch, n)


cdef inline bint visible(int c) noexcept nogil:
    if c <= 32 or c >= 127:
        return False
    return not (c == b'"' or c == b'<' or c == b'>' or c == b'\\' or c == b'^' or c == b'{' or c == b'|' or c == b'}')


cdef void query_value(const Operator *op, Record *record, char *scratch, Value *out) noexcept nogil:
    if query_of(record, &out.text):
        out.kind = VALUE_TEXT
        if op.part:
            out.text = decoded(out.text, True, scratch)


cdef bint same_decoded(Span name, Span wanted) noexcept nogil:
    cdef size_t n = 0
    cdef size_t i = 0
    cdef int high, low
    cdef char c
    while i < name.len:
        c = name.at[i]
        if c == b'%' and i + 2 < name.len:
            high = hex_value(name.at[i + 1])
            low = hex_value(name.at[i + 2])
            if high >= 0 and low >= 0:
                c = <char>(high * 16 + low)
                i += 2
        if n == wanted.len or wanted.at[n] != c:
            return False
        n += 1
        i += 1
    return n == wanted.len


cdef void query_parameter(const Operator *op, Record *record, char *scratch, Value *out) noexcept nogil:
    cdef Span query
    cdef Span pair
    cdef Span name
    cdef int64_t end
    cdef int64_t equals
    if not query_of(record, &query):
        return
    while query.len > 0:
        end = span_find(query, b'&')
        pair = query if end < 0 else span(query.at, <size_t>end)
        query = span(query.at + pair.len, query.len - pair.len)
        if query.len > 0:
            query = span(query.at + 1, query.len - 1)
        equals = span_find(pair, b'=')
        name = pair if equals < 0 else span(pair.at, <size_t>equals)
        if same_decoded(name, op.text):
            name = span(pair.at + pair.len, 0) if equals < 0 else span(name.at + name.len + 1, pair.len - name.len - 1)
            out.kind = VALUE_TEXT
            out.text = decoded(name, False, scratch)
            return


GRPC_NAMES = (
    ("OK", "OK"), ("Canceled", "CANCELLED"), ("Unknown", "UNKNOWN"), ("InvalidArgument", "INVALID_ARGUMENT"),
    ("DeadlineExceeded", "DEADLINE_EXCEEDED"), ("NotFound", "NOT_FOUND"), ("AlreadyExists", "ALREADY_EXISTS"),
    ("PermissionDenied", "PERMISSION_DENIED"), ("ResourceExhausted", "RESOURCE_EXHAUSTED"),
    ("FailedPrecondition", "FAILED_PRECONDITION"), ("Aborted", "ABORTED"), ("OutOfRange", "OUT_OF_RANGE"),
    ("Unimplemented", "UNIMPLEMENTED"), ("Internal", "INTERNAL"), ("Unavailable", "UNAVAILABLE"), ("DataLoss", "DATA_LOSS"),
    ("Unauthenticated", "UNAUTHENTICATED"),
)
cdef Span[17][2] grpc_names
_keep = [tuple(name.encode() for name in pair) for pair in GRPC_NAMES]      # the bytes that `grpc_names` points into


cdef _fill():
    for i in range(len(GRPC_NAMES)):
        for form in range(2):
            grpc_names[i][form] = span(_keep[i][form], len(_keep[i][form]))


_fill()


cdef uint64_t grpc_from_http(uint16_t status) noexcept nogil:
    # What a gRPC client makes of an HTTP status (gRPC's http-grpc-status-mapping).
    if status == 400:
        return 13
    if status == 401:
        return 16
    if status == 403:
        return 7
    if status == 404:
        return 12
    if status == 429 or status == 502 or status == 503 or status == 504:
        return 14
    return 2


cdef bint grpc_status(Record *record, uint64_t *status, bint *invalid) noexcept nogil:
    # From the trailers, from the head of a trailers-only answer, else from the HTTP status.
    cdef Head *head = record.trailers
    cdef int _i
    for _i in range(2):
        if head != NULL and head_value(head, H_GRPC_STATUS).len > 0:
            invalid[0] = not parse_u64(head_value(head, H_GRPC_STATUS), status)
            return True
        head = record.response
    if record.status == 0:
        return False
    status[0] = grpc_from_http(record.status)
    return True


cdef bint is_grpc(Record *record) noexcept nogil:
    cdef Span kind
    if record.request == NULL:
        return False
    kind = head_value(record.request, H_CONTENT_TYPE)
    if kind.len < 16 or memcmp(kind.at, b"application/grpc", 16) != 0:
        return False
    return kind.len == 16 or kind.at[16] == b'+'


cdef void grpc_status_value(const Operator *op, Record *record, char *scratch, Value *out) noexcept nogil:
    cdef uint64_t status
    cdef bint invalid = False
    if not is_grpc(record) or not grpc_status(record, &status, &invalid):
        return
    if op.part == GRPC_NUMBER:
        out.kind = VALUE_NUMBER
        out.number = -1 if invalid else <int64_t>status
        return
    out.kind = VALUE_TEXT
    if invalid:
        out.text = span(b"-1", 2)
    else:
        out.text = grpc_names[status][op.part] if status <= 16 else span(scratch, write_u64(scratch, status))


cdef size_t xfcc_copy(Span value, char *scratch) noexcept nogil:
    # A quoted value without its quotes; a backslash keeps the next byte.
    cdef size_t n = 0
    cdef size_t i = 0
    cdef bint quoted = value.len >= 2 and value.at[0] == b'"' and value.at[value.len - 1] == b'"'
    if quoted:
        value = span(value.at + 1, value.len - 2)
    while i < value.len and n < SCRATCH:
        if quoted and value.at[i] == b'\\' and i + 1 < value.len:
            i += 1
        scratch[n] = value.at[i]
        n += 1
        i += 1
    return n


cdef size_t xfcc_end(Span text, size_t i, bint pair) noexcept nogil:
    # Where the element (or the pair) that begins at `i` ends: at a separator outside quotes.
    cdef bint quoted = False
    while i < text.len:
        if quoted and text.at[i] == b'\\':
            i += 1
        elif text.at[i] == b'"':
            quoted = not quoted
        elif not quoted and (text.at[i] == b',' or (pair and text.at[i] == b';')):
            break
        i += 1
    return i if i < text.len else text.len


cdef void xfcc_value(const Operator *op, Record *record, char *scratch, Value *out) noexcept nogil:
    cdef Span header
    cdef Span pair
    cdef int64_t equals
    cdef size_t i = 0
    cdef size_t end
    if record.request == NULL or not head_has(record.request, H_X_FORWARDED_CLIENT_CERT):
        return
    header = head_value(record.request, H_X_FORWARDED_CLIENT_CERT)
    while i < header.len:
        end = xfcc_end(header, i, True)
        pair = span(header.at + i, end - i)
        equals = span_find(pair, b'=')
        if equals > 0 and span_is_nocase(span(pair.at, <size_t>equals), op.text.at, op.text.len):
            out.kind = VALUE_TEXT
            out.text = span(scratch, xfcc_copy(span(pair.at + equals + 1, pair.len - <size_t>equals - 1), scratch))
            return
        i = end + 1
