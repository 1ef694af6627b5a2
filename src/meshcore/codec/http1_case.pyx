"""Names as they came. See http1_case.pxd.

The head keeps a second copy of its block in which nothing is lowered: a name of the head lies at the same place in both, so giving a name its
case back is a subtraction. Names that a filter or the proxy has set anew lie elsewhere and are looked for among those that came.
"""
from libc.string cimport memcmp, memcpy

from meshcore.base.arena cimport arena_copy
from meshcore.codec.head cimport *


cdef inline const char *original(Head *head, const char *name) noexcept nogil:
    # NULL: not a name of the block.
    if name < head.block or name >= head.block + head.block_len:
        return NULL
    return head.raw + (name - head.block)


cdef bint http1_case_keep(Head *head, const Http1Options *options, const char *at, size_t n, const char *copy) noexcept nogil:
    head.raw = arena_copy(head.arena, at, n)
    head.block = copy
    head.block_len = <uint32_t>n
    head.proper_added = options.proper_case_added
    head.reason_kept = options.forward_reason
    return head.raw != NULL


cdef void http1_case_unify(Head *head) noexcept nogil:
    cdef Header *header
    cdef Header *first
    cdef uint16_t i
    for i in range(head.len):
        header = &head.headers[i]
        first = head_find_name(head, header_name(header))
        if first != NULL and first != header:
            memcpy(head.raw + (header.name - head.block), head.raw + (first.name - head.block), header.name_len)


cdef char *http1_proper_put(const char *name, size_t n, char *out) noexcept nogil:
    # proper_case_words: a capital at the start and after each "-".
    cdef size_t i
    cdef bint start = True
    memcpy(out, name, n)
    for i in range(n):
        if start and out[i] >= 97 and out[i] <= 122:
            out[i] -= 32
        start = out[i] == 45
    return out + n


cdef char *http1_case_put(Head *head, const char *name, size_t n, char *out) noexcept nogil:
    cdef const char *raw = original(head, name)
    cdef Header *header
    cdef uint16_t i = 0
    while raw == NULL and i < head.len:
        header = &head.headers[i]
        if header.name_len == n and memcmp(header.name, name, n) == 0:
            raw = original(head, header.name)
        i += 1
    if raw == NULL and n == 4 and head.raw_host != NULL and memcmp(name, b"host", 4) == 0:
        raw = head.raw_host
    if raw != NULL:
        memcpy(out, raw, n)
        return out + n
    if head.proper_added:
        return http1_proper_put(name, n, out)
    memcpy(out, name, n)
    return out + n
