"""Conditions upon a stream; see stream_matcher.pxd for the law. Runs on a worker, for candidate routes that have such conditions."""
from meshcore.observe.ip cimport address_parse, cidrs_hold
from meshcore.observe.metadata cimport (
    META_BOOL, META_LIST, META_NULL, META_NUMBER, META_TEXT, FilterStateItem, MetaItem, filter_state_find, metadata_find,
)
from meshcore.observe.record cimport IpAddress
from meshcore.route.matcher cimport string_matches


cdef bint any_item(const ValueMatcher *matcher, const MetaValue *value) noexcept nogil:
    cdef const MetaItem *item = value.items if value.kind == META_LIST else NULL
    while item != NULL:
        if value_accepted(matcher.parts, &item.value):
            return True
        item = item.next
    return False


cdef bint value_accepted(const ValueMatcher *matcher, const MetaValue *value) noexcept nogil:
    cdef uint16_t i
    if value == NULL:
        return False
    if matcher.test == TEST_NULL:
        return value.kind == META_NULL
    if matcher.test == TEST_BOOL:
        return value.kind == META_BOOL and value.flag == matcher.flag
    if matcher.test == TEST_NUMBER:
        return value.kind == META_NUMBER and value.number == matcher.start
    if matcher.test == TEST_RANGE:
        return value.kind == META_NUMBER and matcher.start <= value.number < matcher.end
    if matcher.test == TEST_STRING:
        return value.kind == META_TEXT and string_matches(&matcher.string, value.text)
    if matcher.test == TEST_PRESENT:
        return matcher.flag
    if matcher.test == TEST_ANY_ITEM:
        return any_item(matcher, value)
    for i in range(matcher.parts_len):
        if value_accepted(&matcher.parts[i], value):
            return True
    return False


cdef bint metadata_accepted(const MetadataMatcher *matcher, const Metadata *store) noexcept nogil:
    return value_accepted(&matcher.value, metadata_find(store, matcher.namespace, matcher.path, matcher.path_len)) != matcher.invert


cdef bint filter_state_accepted(const FilterStateMatcher *matcher, const FilterState *store) noexcept nogil:
    # An object that is not there, or is no address where one is asked for, is not accepted.
    cdef const FilterStateItem *item = filter_state_find(store, matcher.key)
    cdef IpAddress address
    if item == NULL:
        return False
    if not matcher.by_address:
        return string_matches(&matcher.string, item.text)
    return address_parse(item.text, &address) and cidrs_hold(matcher.ranges, matcher.ranges_len, &address)


cdef bint stream_matches(const StreamMatcher *matcher, const Record *record) noexcept nogil:
    cdef uint16_t i
    if matcher.peer_presented != ASKED_NOTHING and (matcher.peer_presented == ASKED_YES) != record.peer_presented:
        return False
    if matcher.peer_validated != ASKED_NOTHING and (matcher.peer_validated == ASKED_YES) != record.peer_validated:
        return False
    for i in range(matcher.metadata_len):
        if not metadata_accepted(&matcher.metadata[i], &record.metadata):
            return False
    for i in range(matcher.filter_state_len):
        if not filter_state_accepted(&matcher.filter_state[i], &record.filter_state):
            return False
    return True
