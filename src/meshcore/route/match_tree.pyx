"""Match trees; see match_tree.pxd for the law. A walk allocates nothing and is as deep as the configuration nests."""
from libc.string cimport memcpy, memset

from meshcore.base.arena cimport arena_take
from meshcore.base.hash cimport xxhash64
from meshcore.base.span cimport span, span_equal, write_u64
from meshcore.observe.ip cimport address_parse, cidr_holds, cidrs_hold
from meshcore.observe.metadata cimport FilterStateItem, filter_state_find
from meshcore.observe.record cimport IpAddress, address_write
from meshcore.route.chain_index cimport is_local_source
from meshcore.route.matcher cimport header_nth_value, query_find, string_matches

cdef struct Facts:
    Head *request
    const Record *record


# --- lookup by value --------------------------------------------------------------------------------------------------


cdef bint tree_hash_init(TreeHash *table, Arena *arena, uint32_t n) noexcept nogil:
    cdef uint32_t cap = 8
    while cap < 2 * n:
        cap *= 2
    table.slots = <TreeSlot *>arena_take(arena, cap * sizeof(TreeSlot))
    if table.slots == NULL:
        return False
    memset(table.slots, 0, cap * sizeof(TreeSlot))
    table.mask = cap - 1
    return True


cdef TreeSlot *tree_hash_slot(const TreeHash *table, Span key) noexcept nogil:
    cdef uint64_t h = xxhash64(key.at, key.len, 0)
    cdef uint32_t at = <uint32_t>h & table.mask
    cdef TreeSlot *slot = &table.slots[at]
    while (slot.on_match != NULL or slot.field != NULL) and not (slot.hash == h and span_equal(slot.key, key)):
        at = (at + 1) & table.mask
        slot = &table.slots[at]
    slot.hash = h
    return slot


cdef const TreeSlot *look_up(const TreeHash *table, Span key) noexcept nogil:
    # As tree_hash_slot, without a write: tables are shared. NULL: not there.
    cdef uint64_t h = xxhash64(key.at, key.len, 0)
    cdef uint32_t at = <uint32_t>h & table.mask
    cdef const TreeSlot *slot = &table.slots[at]
    while slot.on_match != NULL or slot.field != NULL:
        if slot.hash == h and span_equal(slot.key, key):
            return slot
        at = (at + 1) & table.mask
        slot = &table.slots[at]
    return NULL


# --- inputs -----------------------------------------------------------------------------------------------------------


cdef bint joined_header(const TreeInput *input, Head *request, char *room, Span *value) noexcept nogil:
    cdef Span next
    cdef uint32_t n = 1
    cdef uint32_t used
    if not header_nth_value(&input.header, request, 0, value):
        return False
    while header_nth_value(&input.header, request, n, &next):
        used = value.len if value.len < INPUT_TEXT_MAX else INPUT_TEXT_MAX
        if value.at != room:
            memcpy(room, value.at, used)
        if used + 1 + next.len > INPUT_TEXT_MAX:
            break
        room[used] = 44
        memcpy(room + used + 1, next.at, next.len)
        value[0] = span(room, used + 1 + next.len)
        n += 1
    return True


cdef const IpAddress *address_of(uint8_t kind, const Record *record) noexcept nogil:
    # NULL: none, or no IP address.
    cdef const IpAddress *address = record.downstream_remote
    if kind == INPUT_DIRECT_SOURCE_IP:
        address = record.downstream_direct_remote
    elif kind == INPUT_DESTINATION_IP or kind == INPUT_DESTINATION_PORT:
        address = record.downstream_local
    return address if address != NULL and (address.family == 4 or address.family == 6) else NULL


cdef bint value_of(const TreeInput *input, const Facts *facts, char *room, Span *value) noexcept nogil:
    # False: there is none. `room` has INPUT_TEXT_MAX bytes.
    cdef const FilterStateItem *item
    cdef const IpAddress *address
    if input.kind == INPUT_HEADER:
        return joined_header(input, facts.request, room, value)
    if input.kind == INPUT_QUERY:
        return query_find(facts.request.path, input.text, value)
    if input.kind == INPUT_TEXT:
        value[0] = input.text
        return value.at != NULL
    if input.kind == INPUT_FILTER_STATE:
        item = filter_state_find(&facts.record.filter_state, input.text)
        if item == NULL:
            return False
        value[0] = item.text
        return True
    if INPUT_SERVER_NAME <= input.kind <= INPUT_APPLICATION_PROTOCOLS:
        value[0] = (
            facts.record.server_name if input.kind == INPUT_SERVER_NAME
            else facts.record.transport_protocol if input.kind == INPUT_TRANSPORT_PROTOCOL else facts.record.application_protocols
        )
        return value.len > 0
    if input.kind == INPUT_SOURCE_TYPE:
        value[0] = span(b"local", 5)
        return is_local_source(facts.record.downstream_remote, facts.record.downstream_local)
    address = address_of(input.kind, facts.record)
    if address == NULL:
        return False
    if input.kind == INPUT_SOURCE_PORT or input.kind == INPUT_DESTINATION_PORT:
        value[0] = span(room, write_u64(room, address.port))
    else:
        value[0] = span(room, address_write(address, room, False))
    return True


# --- the walk ---------------------------------------------------------------------------------------------------------


cdef bint holds(const Predicate *predicate, const Facts *facts) noexcept nogil:
    cdef char room[INPUT_TEXT_MAX]
    cdef Span value
    cdef IpAddress address
    if predicate.kind == PREDICATE_STRING:
        return value_of(&predicate.input, facts, room, &value) and string_matches(&predicate.string, value)
    if not value_of(&predicate.input, facts, room, &value) or not address_parse(value, &address):
        return False
    return cidrs_hold(predicate.ranges, predicate.ranges_len, &address)


cdef bint predicate_holds(const Predicate *predicate, const Facts *facts) noexcept nogil:
    cdef uint16_t i
    if predicate.kind == PREDICATE_NOT:
        return not predicate_holds(predicate.parts, facts)
    if predicate.kind != PREDICATE_AND and predicate.kind != PREDICATE_OR:
        return holds(predicate, facts)
    for i in range(predicate.parts_len):
        if predicate_holds(&predicate.parts[i], facts) != (predicate.kind == PREDICATE_AND):
            return predicate.kind == PREDICATE_OR
    return predicate.kind == PREDICATE_AND


cdef bint follow(const OnMatch *on_match, const Facts *facts, uint32_t *action) noexcept nogil:
    if not on_match.there:
        return False
    if on_match.tree != NULL:
        return find(on_match.tree, facts, action) and not on_match.keep_matching
    action[0] = on_match.action
    return not on_match.keep_matching


cdef bint find_by_value(const TreeRun *run, const Facts *facts, uint32_t *action) noexcept nogil:
    cdef char room[INPUT_TEXT_MAX]
    cdef Span value
    cdef const TreeSlot *slot
    cdef const TreeField *field
    if not value_of(&run.fields[0].predicate.input, facts, room, &value):
        return False
    slot = look_up(&run.by_value, value)
    field = slot.field if slot != NULL else NULL
    while field != NULL:
        if follow(&field.on_match, facts, action):
            return True
        field = field.same
    return False


cdef bint find_in_list(const MatchTree *tree, const Facts *facts, uint32_t *action) noexcept nogil:
    cdef const TreeRun *run
    cdef uint32_t i, j
    for i in range(tree.runs_len):
        run = &tree.runs[i]
        if run.by_value.slots != NULL:
            if find_by_value(run, facts, action):
                return True
            continue
        for j in range(run.len):
            if predicate_holds(&run.fields[j].predicate, facts) and follow(&run.fields[j].on_match, facts, action):
                return True
    return False


cdef bint find_by_prefix(const MatchTree *tree, Span value, const Facts *facts, uint32_t *action) noexcept nogil:
    cdef const TreeSlot *slot
    cdef uint32_t i
    for i in range(tree.prefix_lens_len):
        if tree.prefix_lens[i] <= value.len:
            slot = look_up(&tree.map, span(value.at, tree.prefix_lens[i]))
            if slot != NULL and follow(slot.on_match, facts, action):
                return True
    return False


cdef bint find_by_ip(const MatchTree *tree, Span value, const Facts *facts, uint32_t *action) noexcept nogil:
    cdef IpAddress address
    cdef bint asked = False
    cdef uint32_t i
    if not address_parse(value, &address):
        return False
    for i in range(tree.ranges_len):
        if not cidr_holds(&tree.ranges[i].block, &address) or (asked and tree.ranges[i].exclusive):
            continue
        asked = True
        if follow(&tree.ranges[i].on_match, facts, action):
            return True
    return False


cdef bint find_in_map(const MatchTree *tree, const Facts *facts, uint32_t *action) noexcept nogil:
    cdef char room[INPUT_TEXT_MAX]
    cdef Span value
    cdef const TreeSlot *slot
    if not value_of(&tree.input, facts, room, &value):
        return False
    if tree.kind == TREE_PREFIX:
        return find_by_prefix(tree, value, facts, action)
    if tree.kind == TREE_IP:
        return find_by_ip(tree, value, facts, action)
    slot = look_up(&tree.map, value)
    return slot != NULL and follow(slot.on_match, facts, action)


cdef bint find(const MatchTree *tree, const Facts *facts, uint32_t *action) noexcept nogil:
    if find_in_list(tree, facts, action) if tree.kind == TREE_LIST else find_in_map(tree, facts, action):
        return True
    return follow(&tree.otherwise, facts, action)


cdef bint match_tree_find(const MatchTree *tree, Head *request, const Record *record, uint32_t *action) noexcept nogil:
    cdef Facts facts
    facts.request = request
    facts.record = record
    return find(tree, &facts, action)
