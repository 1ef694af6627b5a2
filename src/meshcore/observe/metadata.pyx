"""Dynamic metadata and filter state of a stream; see metadata.pxd for the law.

Lists all the way down: a stream carries a handful of namespaces with a handful of keys, written once and read a few times.
"""
from libc.math cimport signbit
from libc.stdint cimport uint32_t
from libc.stdio cimport snprintf
from libc.stdlib cimport atoi, malloc, strtod
from libc.string cimport memcpy, memset

from meshcore.base.arena cimport arena_take
from meshcore.base.span cimport span, span_equal
from meshcore.base.span_order cimport span_order
from meshcore.observe.json_text cimport json_bound, json_write

cdef enum:
    NUMBER_TEXT = 32
    EXACT_DIGITS = 17              # of a double, so that it reads back
    PLAIN_MAX = 25                 # an exponent whose number is never shorter without it


cdef MetaItem *find_item(MetaItem *items, Span key) noexcept nogil:
    while items != NULL and not span_equal(items.key, key):
        items = items.next
    return items


cdef MetaItem *add_item(MetaItem **items, Arena *arena, Span key) noexcept nogil:
    cdef MetaItem *item = <MetaItem *>arena_take(arena, sizeof(MetaItem))
    if item == NULL:
        return NULL
    memset(item, 0, sizeof(MetaItem))
    item.key = key
    while items[0] != NULL:
        items = &items[0].next
    items[0] = item
    return item


cdef const MetaValue *metadata_find(const Metadata *store, Span namespace, const Span *path, int n) noexcept nogil:
    cdef const MetaItem *item = find_item(store.namespaces, namespace)
    cdef const MetaValue *value = &item.value if item != NULL else NULL
    cdef int i
    for i in range(n):
        if value == NULL:
            return NULL
        value = meta_member(value, path[i])
    return value


cdef MetaValue *metadata_namespace(Metadata *store, Arena *arena, Span namespace) noexcept nogil:
    cdef MetaItem *item = find_item(store.namespaces, namespace)
    if item == NULL:
        item = add_item(&store.namespaces, arena, namespace)
        if item == NULL:
            return NULL
        item.value.kind = META_STRUCT
    return &item.value


cdef const MetaValue *meta_member(const MetaValue *parent, Span key) noexcept nogil:
    cdef const MetaItem *item
    if parent.kind != META_STRUCT:
        return NULL
    item = find_item(parent.items, key)
    return &item.value if item != NULL else NULL


cdef MetaValue *meta_make(MetaValue *parent, Arena *arena, Span key) noexcept nogil:
    cdef MetaItem *item = find_item(parent.items, key)
    if item == NULL:
        item = add_item(&parent.items, arena, key)
    return &item.value if item != NULL else NULL


cdef MetaValue *meta_append(MetaValue *parent, Arena *arena) noexcept nogil:
    cdef MetaItem *item = add_item(&parent.items, arena, span(NULL, 0))
    return &item.value if item != NULL else NULL


cdef bint meta_merge(MetaValue *into, Arena *arena, const MetaValue *value) noexcept nogil:
    cdef const MetaItem *item = value.items
    cdef MetaValue *child
    if into.kind != value.kind or (value.kind != META_STRUCT and value.kind != META_LIST):
        into[0] = value[0]
        into.items = NULL
    while item != NULL:
        child = meta_make(into, arena, item.key) if value.kind == META_STRUCT else meta_append(into, arena)
        if child == NULL or not meta_merge(child, arena, &item.value):
            return False
        item = item.next
    return True


# --- a copy in one block ----------------------------------------------------------------------------------------------


cdef inline size_t aligned(size_t n) noexcept nogil:
    return (n + 7) & ~<size_t>7


cdef size_t room_of(const MetaItem *items) noexcept nogil:
    cdef size_t room = 0
    while items != NULL:
        room += sizeof(MetaItem) + aligned(items.key.len) + aligned(items.value.text.len) + room_of(items.value.items)
        items = items.next
    return room


cdef Span pack_text(Span text, char **at) noexcept nogil:
    cdef Span copy = span(at[0], text.len)
    if text.len > 0:
        memcpy(at[0], text.at, text.len)
    at[0] += aligned(text.len)
    return copy


cdef MetaItem *pack_items(const MetaItem *items, char **at) noexcept nogil:
    cdef MetaItem *first = NULL
    cdef MetaItem **last = &first
    cdef MetaItem *item
    while items != NULL:
        item = <MetaItem *>at[0]
        at[0] += sizeof(MetaItem)
        item[0] = items[0]
        item.key = pack_text(items.key, at)
        item.value.text = pack_text(items.value.text, at)
        item.value.items = pack_items(items.value.items, at)
        last[0] = item
        last = &item.next
        items = items.next
    last[0] = NULL
    return first


cdef Metadata *metadata_pack(const Metadata *store) noexcept nogil:
    cdef Metadata *copy = <Metadata *>malloc(sizeof(Metadata) + room_of(store.namespaces))
    cdef char *at = <char *>(copy + 1)
    if copy != NULL:
        copy.namespaces = pack_items(store.namespaces, &at)
    return copy


# --- JSON -------------------------------------------------------------------------------------------------------------


cdef char *put(const char *text, size_t n, char *out, char *end) noexcept nogil:
    if n > <size_t>(end - out):
        n = <size_t>(end - out)
    memcpy(out, text, n)
    return out + n


cdef uint32_t piece_of(Span text, size_t room) noexcept nogil:
    # How many of its bytes fit for sure once they are escaped; no character is split.
    cdef uint32_t n = text.len if json_bound(text) <= room else <uint32_t>(room // json_bound(span(NULL, 1)))
    while 0 < n < text.len and <uint8_t>text.at[n] >> 6 == 2:
        n -= 1
    return n


cdef char *put_text(Span text, char *out, char *end) noexcept nogil:
    # A text that does not fit ends the whole value, with dots.
    cdef uint32_t n
    if end - out < 2:
        return put(b"..", 2, out, end)
    out[0] = b'"'
    out += 1
    while text.len > 0:
        n = piece_of(text, <size_t>(end - out) - 1)
        if n == 0:
            memset(out, b'.', end - out)
            return end
        out = json_write(span(text.at, n), out)
        text = span(text.at + n, text.len - n)
    out[0] = b'"'
    return out + 1


cdef int exponent_of(const char *text, int n) noexcept nogil:
    # Of a number in scientific notation; of what is none (infinity), one that is beyond all.
    while n > 0 and text[n - 1] != b'e':
        n -= 1
    return atoi(text + n) if n > 0 else PLAIN_MAX


cdef char *put_number(double number, char *out, char *end) noexcept nogil:
    # The fewest digits that read back as the same number; of the two ways to write them the shorter one, whole numbers below 1e15 as such.
    cdef char text[NUMBER_TEXT]
    cdef char plain[NUMBER_TEXT]
    cdef int digits = 1
    cdef int n = snprintf(text, NUMBER_TEXT, b"%.*e", digits - 1, number)
    cdef int exponent
    cdef int m
    if number > -1e15 and number < 1e15 and number == <double><long long>number and (number != 0 or not signbit(number)):
        return put(text, snprintf(text, NUMBER_TEXT, b"%lld", <long long>number), out, end)
    while digits < EXACT_DIGITS and strtod(text, NULL) != number:
        digits += 1
        n = snprintf(text, NUMBER_TEXT, b"%.*e", digits - 1, number)
    exponent = exponent_of(text, n)
    if exponent > -PLAIN_MAX and exponent < PLAIN_MAX:
        m = snprintf(plain, NUMBER_TEXT, b"%.*f", digits - 1 - exponent if digits - 1 > exponent else 0, number)
        if m <= n:
            return put(plain, m, out, end)
    return put(text, n, out, end)


cdef const MetaItem *item_after(const MetaItem *items, const MetaItem *last) noexcept nogil:
    # The member with the least name beyond that of `last`; NULL: no more.
    cdef const MetaItem *best = NULL
    while items != NULL:
        if (last == NULL or span_order(items.key, last.key) > 0) and (best == NULL or span_order(items.key, best.key) < 0):
            best = items
        items = items.next
    return best


cdef char *put_name(Span name, char *out, char *end) noexcept nogil:
    cdef bint up = False
    cdef char c
    cdef uint32_t i
    out = put(b'"', 1, out, end)
    for i in range(name.len):
        c = name.at[i]
        if c != b'_':
            if up:
                c = c - 32
            out = put(&c, 1, out, end)
        up = c == b'_'
    return put(b'"', 1, out, end)


cdef char *put_items(const MetaValue *value, bint camel, char *out, char *end) noexcept nogil:
    cdef bint named = value.kind == META_STRUCT
    cdef const MetaItem *item = item_after(value.items, NULL) if named else value.items
    cdef bint first = True
    out = put(b"{" if named else b"[", 1, out, end)
    while item != NULL:
        if not first:
            out = put(b",", 1, out, end)
        first = False
        if named:
            out = put_name(item.key, out, end) if camel else put_text(item.key, out, end)
            out = put(b":", 1, out, end)
        out = put_value(&item.value, camel, out, end)
        item = item_after(value.items, item) if named else item.next
    return put(b"}" if named else b"]", 1, out, end)


cdef char *put_value(const MetaValue *value, bint camel, char *out, char *end) noexcept nogil:
    if value.kind == META_NULL:
        return put(b"null", 4, out, end)
    if value.kind == META_BOOL:
        return put(b"true", 4, out, end) if value.flag else put(b"false", 5, out, end)
    if value.kind == META_NUMBER:
        return put_number(value.number, out, end)
    if value.kind == META_TEXT:
        return put_text(value.text, out, end)
    return put_items(value, camel, out, end)


cdef char *meta_json_write(const MetaValue *value, char *out, char *end) noexcept nogil:
    return put_value(value, False, out, end)


cdef char *meta_message_write(const MetaValue *value, char *out, char *end) noexcept nogil:
    return put_value(value, True, out, end)


# --- filter state -----------------------------------------------------------------------------------------------------


cdef const FilterStateItem *filter_state_find(const FilterState *store, Span key) noexcept nogil:
    cdef const FilterStateItem *item = store.items
    while item != NULL and not span_equal(item.key, key):
        item = item.next
    return item


cdef bint filter_state_set(FilterState *store, Arena *arena, Span key, Span text) noexcept nogil:
    cdef FilterStateItem *item = <FilterStateItem *>filter_state_find(store, key)
    if item == NULL:
        item = <FilterStateItem *>arena_take(arena, sizeof(FilterStateItem))
        if item == NULL:
            return False
        item.key = key
        item.read_only = False
        item.next = store.items
        store.items = item
    item.text = text
    item.typed = NULL
    item.map = False
    return True


cdef FilterStateItem *filter_state_struct(FilterState *store, Arena *arena, Span key) noexcept nogil:
    cdef MetaValue *typed = <MetaValue *>arena_take(arena, sizeof(MetaValue))
    cdef FilterStateItem *item
    if typed == NULL or not filter_state_set(store, arena, key, span(NULL, 0)):
        return NULL
    memset(typed, 0, sizeof(MetaValue))
    typed.kind = META_STRUCT
    item = <FilterStateItem *>filter_state_find(store, key)
    item.typed = typed
    return item
