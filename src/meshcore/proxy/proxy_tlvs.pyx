"""TLVs of a PROXY header; see proxy_tlvs.pxd for the law."""
from libc.stdint cimport uint8_t

from meshcore.base.arena cimport Arena, arena_take
from meshcore.base.held cimport held_append
from meshcore.base.span cimport Span, span
from meshcore.conf.tables cimport ListenerFilter, TlvRule
from meshcore.io.proxy_protocol cimport PROXY_TLV_HEAD, proxy_tlv_next
from meshcore.observe.json_text cimport json_bound, utf8_length
from meshcore.observe.metadata cimport (
    META_TEXT, FilterStateItem, MetaItem, MetaValue, filter_state_find, filter_state_struct, meta_json_write, meta_make, meta_member,
    metadata_namespace,
)
from meshcore.proxy.connection_state cimport ConnectionState, connection_state_new
from meshcore.proxy.objects cimport Arrival

cdef enum:
    JSON_STRUCT = 2                # its brackets
    JSON_MEMBER = 6                # quotes, colon and comma

cdef Span STATE_KEY = span(b"envoy.network.proxy_protocol.tlv", 32)


cdef Span clean(Span value, Arena *arena) noexcept nogil:
    # A copy in which every byte that is no part of UTF-8 is an exclamation mark, as Envoy has it. `at` NULL: no memory.
    cdef char *copy = <char *>arena_take(arena, value.len + 1)
    cdef size_t i = 0
    cdef size_t n
    cdef size_t end
    if copy == NULL:
        return span(NULL, 0)
    while i < value.len:
        n = utf8_length(<const uint8_t *>value.at + i, value.len - i)
        end = i + (n if n else 1)
        while i < end:
            copy[i] = value.at[i] if n else b'!'
            i += 1
    return span(copy, value.len)


cdef bint to_metadata(ConnectionState *state, const TlvRule *rule, Span value) noexcept nogil:
    # A key that is there stays as it is.
    cdef MetaValue *into = metadata_namespace(&state.metadata, &state.arena, rule.namespace)
    cdef MetaValue *member
    if into == NULL:
        return False
    if meta_member(into, rule.key) != NULL:
        return True
    member = meta_make(into, &state.arena, rule.key)
    if member == NULL:
        return False
    member.kind = META_TEXT
    member.text = clean(value, &state.arena)
    return member.text.at != NULL


cdef bint to_state(ConnectionState *state, const TlvRule *rule, Span value) noexcept nogil:
    cdef FilterStateItem *item = <FilterStateItem *>filter_state_find(&state.objects, STATE_KEY)
    cdef MetaValue *member
    if item == NULL:
        item = filter_state_struct(&state.objects, &state.arena, STATE_KEY)
    if item == NULL:
        return False
    item.map = True
    member = meta_make(item.typed, &state.arena, rule.key)
    if member == NULL:
        return False
    member.kind = META_TEXT
    member.text = clean(value, &state.arena)
    return member.text.at != NULL


cdef bint print_state(ConnectionState *state) noexcept nogil:
    # Its plain form is JSON, too.
    cdef FilterStateItem *item = <FilterStateItem *>filter_state_find(&state.objects, STATE_KEY)
    cdef size_t room = JSON_STRUCT
    cdef const MetaItem *member
    cdef char *text
    if item == NULL:
        return True
    member = item.typed.items
    while member != NULL:
        room += json_bound(member.key) + json_bound(member.value.text) + JSON_MEMBER
        member = member.next
    text = <char *>arena_take(&state.arena, room)
    if text == NULL:
        return False
    item.text = span(text, <size_t>(meta_json_write(item.typed, text, text + room) - text))
    return True


cdef bint proxy_tlvs_keep(Arrival *arrival, const ListenerFilter *filter, Span rest) noexcept nogil:
    cdef const TlvRule *rule
    cdef Span tlv
    cdef Span value
    cdef uint8_t kind
    while proxy_tlv_next(&rest, &tlv):
        kind = <uint8_t>tlv.at[0]
        if filter.passes != NULL and filter.passes[kind >> 3] >> (kind & 7) & 1 and not held_append(&arrival.tlvs, tlv.at, tlv.len):
            return False
        rule = filter.tlv_rules[kind] if filter.tlv_rules != NULL else NULL
        if rule == NULL:
            continue
        if arrival.state == NULL:
            arrival.state = connection_state_new()
        if arrival.state == NULL:
            return False
        value = span(tlv.at + PROXY_TLV_HEAD, tlv.len - PROXY_TLV_HEAD)
        if not (to_state(arrival.state, rule, value) if filter.tlvs_to_state else to_metadata(arrival.state, rule, value)):
            return False
    return arrival.state == NULL or print_state(arrival.state)
