"""Thrift filters that leave facts on a call; see thrift_metadata.pxd for the law."""
from libc.stdint cimport int16_t, uint8_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport strtod
from libc.string cimport memcpy, memset

from meshcore.base.arena cimport arena_copy, arena_take
from meshcore.base.base64 cimport base64_decode
from meshcore.base.span cimport span, span_equal
from meshcore.codec.head cimport Header, head_drop_name, head_find_name, header_value
from meshcore.codec.thrift cimport *
from meshcore.codec.thrift_read cimport thrift_read_begin, thrift_read_next
from meshcore.observe.metadata cimport META_NUMBER, META_TEXT, MetaValue, meta_make, metadata_namespace
from meshcore.observe.metadata_protobuf cimport metadata_read_value
from meshcore.route.regex cimport regex_replace

cdef enum:
    VALUE_MAX = 8191               # longer values are dropped, as in Envoy
    NUMBER_TEXT = 328              # the largest double with six decimals


# --- what is written ------------------------------------------------------------------------------------------------


cdef bint read_number(Span text, double *number) noexcept nogil:
    # All of it but spaces around it.
    cdef char room[VALUE_MAX + 1]
    cdef char *end
    cdef uint32_t n = text.len
    while n > 0 and text.at[n - 1] == 32:
        n -= 1
    if n == 0:
        return False
    memcpy(room, text.at, n)
    room[n] = 0
    number[0] = strtod(room, &end)
    return end == room + n


cdef Span decode(Span text, Arena *arena) noexcept nogil:
    cdef char *out = <char *>arena_take(arena, text.len // 4 * 3 + 3)
    return span(out, base64_decode(text.at, text.len, out)) if out != NULL else span(NULL, 0)


cdef void write(const ThriftFact *fact, Span value, Metadata *metadata, Arena *arena) noexcept nogil:
    cdef MetaValue *into
    cdef MetaValue made
    if fact == NULL:
        return
    if fact.regex != NULL:
        value = regex_replace(fact.regex, value, fact.substitution, arena)
    elif fact.value.len > 0:
        value = fact.value
    if value.len == 0 or value.len > VALUE_MAX:
        return
    if fact.base64:
        value = decode(value, arena)
        if value.len == 0:
            return
    memset(&made, 0, sizeof(MetaValue))
    made.kind = META_NUMBER if fact.number else META_TEXT
    made.text = value
    if fact.number and not read_number(value, &made.number):
        return
    if fact.protobuf and not metadata_read_value(value, arena, &made):
        return
    into = metadata_namespace(metadata, arena, fact.namespace)
    if into != NULL:
        into = meta_make(into, arena, fact.key)
    if into != NULL:
        into[0] = made


# --- headers --------------------------------------------------------------------------------------------------------


cdef void thrift_headers_read(const ThriftFilter *filter, Head *headers, Metadata *metadata, Arena *arena) noexcept nogil:
    cdef const ThriftRule *rule
    cdef Header *header
    cdef Span value
    cdef uint32_t i
    for i in range(filter.rules_len):
        rule = &filter.rules[i]
        header = head_find_name(headers, rule.name)
        if header == NULL:
            write(rule.missing, span(NULL, 0), metadata, arena)
            continue
        value = header_value(header)
        if rule.remove:
            head_drop_name(headers, rule.name)
        write(rule.present, value, metadata, arena)


# --- payload --------------------------------------------------------------------------------------------------------


cdef bint is_for(const ThriftRule *rule, Span name) noexcept nogil:
    if rule.name.len == 0:
        return True
    if rule.service and name.len > rule.name.len:
        name = span(name.at, rule.name.len)
    return span_equal(name, rule.name)


cdef ThriftProbe *thrift_probe_new(const ThriftFilter *filter, Span name, uint8_t protocol, const ThriftLimits *limits, Metadata *metadata,
                                   Arena *arena) noexcept nogil:
    cdef ThriftProbe *probe
    cdef uint64_t rules = 0
    cdef uint32_t i
    for i in range(filter.rules_len):
        if is_for(&filter.rules[i], name):
            rules |= <uint64_t>1 << i
    if rules == 0:
        return NULL
    probe = <ThriftProbe *>arena_take(arena, sizeof(ThriftProbe))
    if probe == NULL:
        return NULL
    probe.filter = filter
    probe.next = NULL
    probe.arena = arena
    probe.metadata = metadata
    probe.rules = rules
    probe.depth = 0
    probe.beside = 0
    probe.field = NULL
    probe.text = NULL
    probe.text_len = 0
    probe.over = False
    thrift_read_begin(&probe.reader, protocol, THRIFT_STRUCT, THRIFT_UNBOUNDED, limits)
    return probe


cdef const ThriftField *field_of(const ThriftField *parent, int16_t id) noexcept nogil:
    cdef uint32_t low = 0
    cdef uint32_t high = parent.fields_len
    cdef uint32_t middle
    while low < high:
        middle = (low + high) // 2
        if parent.fields[middle].id < id:
            low = middle + 1
        else:
            high = middle
    return &parent.fields[low] if low < parent.fields_len and parent.fields[low].id == id else NULL


cdef inline bint is_wanted(const ThriftProbe *probe) noexcept nogil:
    return probe.beside == 0 and probe.field != NULL and probe.field.rule >= 0 and probe.rules >> probe.field.rule & 1


cdef void found(ThriftProbe *probe, Span value) noexcept nogil:
    probe.rules &= ~(<uint64_t>1 << probe.field.rule)
    if value.len > 0:              # an empty string is neither there nor missing
        write(probe.filter.rules[probe.field.rule].present, value, probe.metadata, probe.arena)


cdef void found_number(ThriftProbe *probe, const ThriftEvent *event) noexcept nogil:
    # As C++ prints them; bytes have no sign there.
    cdef char text[NUMBER_TEXT]
    cdef int n
    if event.type == THRIFT_DOUBLE:
        n = snprintf(text, NUMBER_TEXT, b"%f", event.real)
    else:
        n = snprintf(text, NUMBER_TEXT, b"%lld", <long long>(event.number & 0xff if event.type == THRIFT_BYTE else event.number))
    found(probe, span(arena_copy(probe.arena, text, n), n))


cdef void found_text(ThriftProbe *probe, const ThriftEvent *event) noexcept nogil:
    # The first event of a string has its size; longer ones than are kept have a size that `write` drops.
    if event.kind == THRIFT_EVENT_STRING:
        probe.text = <char *>arena_take(probe.arena, event.size) if event.size <= VALUE_MAX else NULL
        probe.text_len = 0
    if probe.text != NULL:
        memcpy(probe.text + probe.text_len, event.bytes.at, event.bytes.len)
        probe.text_len += event.bytes.len
    if event.left == 0:
        found(probe, span(probe.text, probe.text_len) if probe.text != NULL else span(b"", 0))
        probe.text = NULL


cdef void open_struct(ThriftProbe *probe) noexcept nogil:
    if probe.beside > 0 or (probe.depth > 0 and probe.field == NULL):
        probe.beside += 1
        return
    probe.way[probe.depth] = probe.filter.payload if probe.depth == 0 else probe.field
    probe.depth += 1
    probe.field = NULL


cdef void close_struct(ThriftProbe *probe) noexcept nogil:
    if probe.beside > 0:
        probe.beside -= 1
    else:
        probe.depth -= 1
    if probe.beside == 0:
        probe.field = NULL


cdef void look(ThriftProbe *probe, const ThriftEvent *event) noexcept nogil:
    cdef uint8_t kind = event.kind
    if kind == THRIFT_EVENT_STRUCT_BEGIN:
        open_struct(probe)
    elif kind == THRIFT_EVENT_STRUCT_END:
        close_struct(probe)
    elif kind == THRIFT_EVENT_LIST_BEGIN or kind == THRIFT_EVENT_SET_BEGIN or kind == THRIFT_EVENT_MAP_BEGIN:
        probe.beside += 1
    elif kind == THRIFT_EVENT_LIST_END or kind == THRIFT_EVENT_SET_END or kind == THRIFT_EVENT_MAP_END:
        probe.beside -= 1
    elif kind == THRIFT_EVENT_FIELD:
        if probe.beside == 0:
            probe.field = field_of(probe.way[probe.depth - 1], event.id)
    elif not is_wanted(probe):
        return
    elif kind == THRIFT_EVENT_NUMBER:
        found_number(probe, event)
    elif kind == THRIFT_EVENT_STRING or kind == THRIFT_EVENT_BYTES:
        found_text(probe, event)


cdef void thrift_probe_take(ThriftProbe *probe, Span piece) noexcept nogil:
    cdef const char *at = piece.at
    cdef const char *end = at + piece.len
    cdef ThriftEvent event
    cdef int result = THRIFT_OK
    while not probe.over:
        result = thrift_read_next(&probe.reader, &at, end, &event)
        if result == THRIFT_MORE:
            return
        if result == THRIFT_OK:
            look(probe, &event)
        else:
            probe.over = True


cdef void thrift_probe_end(ThriftProbe *probe) noexcept nogil:
    cdef uint32_t i
    for i in range(probe.filter.rules_len):
        if probe.rules >> i & 1:
            write(probe.filter.rules[i].missing, span(NULL, 0), probe.metadata, probe.arena)
