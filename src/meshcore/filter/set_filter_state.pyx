"""Set filter state; see set_filter_state.pxd for the law."""
from libc.stdint cimport uint8_t, uint16_t

from meshcore.base.arena cimport Arena, arena_take
from meshcore.base.span cimport Span, span
from meshcore.filter.http cimport *
from meshcore.observe.format cimport Format, format_bound, format_write
from meshcore.observe.metadata cimport FilterState, FilterStateItem, filter_state_find, filter_state_set
from meshcore.observe.record cimport Record


cdef Span written(const Format *format, const Record *record, Arena *arena) noexcept nogil:
    cdef size_t room = format_bound(format, record)
    cdef char *text = <char *>arena_take(arena, room + 1)
    if text == NULL:
        return span(NULL, 0)
    return span(text, <size_t>(format_write(format, record, text, text + room) - text))


cdef void state_entry_set(const StateEntry *entry, const Record *record, FilterState *state, Arena *arena) noexcept nogil:
    cdef FilterStateItem *item = <FilterStateItem *>filter_state_find(state, entry.key)
    cdef Span text = written(entry.format, record, arena)
    if text.at == NULL or (text.len == 0 and entry.skip_empty):
        return
    if item != NULL and (item.read_only or entry.read_only):
        return
    if filter_state_set(state, arena, entry.key, text) and entry.read_only:
        item = <FilterStateItem *>filter_state_find(state, entry.key)
        item.read_only = True


cdef int on_request_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef const SetFilterStateConf *conf = <const SetFilterStateConf *>filter_settings(stream, n)
    cdef uint16_t i
    for i in range(conf.entries_len):
        state_entry_set(&conf.entries[i], stream.record, &stream.record.filter_state, stream.arena)
    return FILTER_CONTINUE


cdef HttpFilterOps ops
ops.kind = b"envoy.filters.http.set_filter_state"
ops.on_request_head = on_request_head
ops.on_request_data = NULL
ops.on_request_trailers = NULL
ops.on_response_head = NULL
ops.on_response_data = NULL
ops.on_response_trailers = NULL
ops.on_log = NULL
ops.on_destroy = NULL


cdef const HttpFilterOps *set_filter_state_filter() noexcept nogil:
    return &ops
