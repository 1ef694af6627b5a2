"""Header mutation; see mutation.pxd for the law.

Runs on a worker, for requests and responses whose route has such lists. Values are formatted into the head's arena.
"""
from libc.string cimport memcpy

from meshcore.base.arena cimport arena_take
from meshcore.base.span cimport span, span_fits_header
from meshcore.codec.head cimport H_OTHER, Header, head_add, head_drop, head_drop_name, head_find, head_find_name
from meshcore.observe.format cimport format_bound, format_write


cdef inline Header *find(Head *head, const HeaderAdd *add) noexcept nogil:
    return head_find(head, add.id) if add.id != H_OTHER else head_find_name(head, add.name)


cdef bint evaluate(const HeaderAdd *add, Head *head, Record *record, Span *value) noexcept nogil:
    # A value with at == NULL: nothing to write. False: no memory. What metadata or a certificate says may hold a line's end.
    cdef size_t room
    cdef char *text
    value[0] = span(NULL, 0)
    if add.action == ADD_IF_ABSENT and find(head, add) != NULL:
        return True
    if add.action == ADD_OVERWRITE_IF_EXISTS and find(head, add) == NULL:
        return True
    if add.format == NULL:
        value[0] = add.literal
    else:
        room = format_bound(add.format, record)
        text = <char *>arena_take(head.arena, room + 1)
        if text == NULL:
            return False
        value[0] = span(text, <size_t>(format_write(add.format, record, text, text + room) - text))
        if not span_fits_header(value[0]):
            record.unfit_header = add.name
            value.at = NULL
            return True
    if value.len == 0 and not add.keep_empty:
        value.at = NULL
    return True


cdef bint append(const HeaderAdd *add, Head *head, Span value) noexcept nogil:
    cdef Header *old = find(head, add) if add.joins else NULL
    cdef char *text
    if old == NULL:
        return head_add(head, add.name, value, add.id) != NULL
    if value.len == 0:
        return True
    if old.value_len == 0:
        old.value = value.at
        old.value_len = value.len
        return True
    text = <char *>arena_take(head.arena, <size_t>old.value_len + 1 + value.len)
    if text == NULL:
        return False
    memcpy(text, old.value, old.value_len)
    text[old.value_len] = 44
    memcpy(text + old.value_len + 1, value.at, value.len)
    old.value = text
    old.value_len += 1 + value.len
    return True


cdef inline bint overwrites(const HeaderAdd *add) noexcept nogil:
    return add.action == ADD_OVERWRITE or add.action == ADD_OVERWRITE_IF_EXISTS


cdef bint headers_add(const HeaderAdd *adds, uint16_t n, Head *head, Record *record) noexcept nogil:
    cdef Span *values = <Span *>arena_take(head.arena, n * sizeof(Span))
    cdef uint16_t i
    if values == NULL:
        return False
    for i in range(n):
        if not evaluate(&adds[i], head, record, &values[i]):
            return False
    for i in range(n):
        if values[i].at != NULL and overwrites(&adds[i]):
            if adds[i].id != H_OTHER:
                head_drop(head, adds[i].id)
            else:
                head_drop_name(head, adds[i].name)
            if head_add(head, adds[i].name, values[i], adds[i].id) == NULL:
                return False
    for i in range(n):
        if values[i].at != NULL and not overwrites(&adds[i]) and not append(&adds[i], head, values[i]):
            return False
    return True


cdef bint mutate_request(const Mutation *mutation, Head *head, Record *record) noexcept nogil:
    cdef uint16_t i
    for i in range(mutation.request_remove_len):
        head_drop_name(head, mutation.request_remove[i])
    return mutation.request_add_len == 0 or headers_add(mutation.request_add, mutation.request_add_len, head, record)


cdef bint mutate_response(const Mutation *mutation, Head *head, Record *record) noexcept nogil:
    cdef uint16_t i
    for i in range(mutation.response_remove_len):
        head_drop_name(head, mutation.response_remove[i])
    return mutation.response_add_len == 0 or headers_add(mutation.response_add, mutation.response_add_len, head, record)
