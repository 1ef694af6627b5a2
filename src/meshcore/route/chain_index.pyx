"""Chain index; see chain_index.pxd for the law. A lookup allocates nothing and visits each level once at most."""
from libc.string cimport memcmp, memset

from meshcore.base.arena cimport arena_take
from meshcore.base.hash cimport xxhash64
from meshcore.base.span cimport span, span_equal

cdef uint8_t[4] LOOPBACK4 = [127, 0, 0, 1]
cdef uint8_t[16] LOOPBACK6 = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
cdef uint8_t[16] NO_ADDRESS = [255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]


# --- names ----------------------------------------------------------------------------------------------------------


cdef bint chain_names_init(ChainNode *node, Arena *arena, uint32_t n) noexcept nogil:
    cdef uint32_t cap = 4
    while cap < 2 * n:
        cap *= 2
    node.names = <ChainName *>arena_take(arena, cap * sizeof(ChainName))
    if node.names == NULL:
        return False
    memset(node.names, 0, cap * sizeof(ChainName))
    node.names_mask = cap - 1
    return True


cdef uint32_t name_place(const ChainNode *node, Span name, uint64_t h) noexcept nogil:
    # Where the name stands, or the free place where it belongs.
    cdef uint32_t at = <uint32_t>h & node.names_mask
    while node.names[at].target != TARGET_NONE and not (node.names[at].hash == h and span_equal(node.names[at].name, name)):
        at = (at + 1) & node.names_mask
    return at


cdef void chain_names_put(ChainNode *node, Span name, uint32_t target) noexcept nogil:
    cdef uint64_t h = xxhash64(name.at, name.len, 0)
    cdef uint32_t at = name_place(node, name, h)
    node.names[at].hash = h
    node.names[at].name = name
    node.names[at].target = target


cdef inline uint32_t by_name(const ChainNode *node, Span name) noexcept nogil:
    return node.names[name_place(node, name, xxhash64(name.at, name.len, 0))].target


cdef uint32_t by_server_name(const ChainNode *node, Span name) noexcept nogil:
    # A dot at the start or at the end begins no suffix, as in Envoy.
    cdef uint32_t found
    cdef uint32_t i
    if name.len == 0:
        return TARGET_NONE
    found = by_name(node, name)
    i = 1
    while found == TARGET_NONE and i + 1 < name.len:
        if name.at[i] == 46:
            found = by_name(node, span(name.at + i, name.len - i))
        i += 1
    return found


cdef uint32_t by_protocols(const ChainNode *node, const Span *protocols, uint32_t n) noexcept nogil:
    cdef uint32_t found = TARGET_NONE
    cdef uint32_t i
    for i in range(n):
        found = by_name(node, protocols[i])
        if found != TARGET_NONE:
            break
    return found


# --- numbers and addresses ------------------------------------------------------------------------------------------


cdef uint32_t by_number(const ChainNode *node, uint16_t number) noexcept nogil:
    cdef uint32_t low = 0
    cdef uint32_t high = node.numbers_len
    cdef uint32_t middle
    while low < high:
        middle = (low + high) >> 1
        if node.numbers[middle] < number:
            low = middle + 1
        else:
            high = middle
    return node.targets[low] if low < node.numbers_len and node.numbers[low] == number else TARGET_NONE


cdef uint32_t by_range(const ChainRange *ranges, uint32_t n, const uint8_t *address, size_t width) noexcept nogil:
    # The last range that starts at or below the address; the first one starts at the lowest of all.
    cdef uint32_t low = 0
    cdef uint32_t high = n
    cdef uint32_t middle
    while high - low > 1:
        middle = (low + high) >> 1
        if memcmp(ranges[middle].start, address, width) <= 0:
            low = middle
        else:
            high = middle
    return ranges[low].target


cdef uint32_t by_address(const ChainNode *node, const IpAddress *address) noexcept nogil:
    if address != NULL and address.family == 6:
        return by_range(node.v6, node.v6_len, address.bytes, 16)
    if address != NULL and address.family == 4:
        return by_range(node.v4, node.v4_len, address.bytes, 4)
    return by_range(node.v4, node.v4_len, NO_ADDRESS, 4)


cdef inline bint is_ip(const IpAddress *address) noexcept nogil:
    return address != NULL and (address.family == 4 or address.family == 6)


cdef bint is_local_source(const IpAddress *remote, const IpAddress *local) noexcept nogil:
    cdef size_t width
    if not is_ip(remote):
        return True
    width = 4 if remote.family == 4 else 16
    if memcmp(remote.bytes, &LOOPBACK4[0] if remote.family == 4 else &LOOPBACK6[0], width) == 0:
        return True
    return is_ip(local) and local.family == remote.family and memcmp(remote.bytes, local.bytes, width) == 0


# --- the walk -------------------------------------------------------------------------------------------------------


cdef uint32_t answer(const ChainNode *node, const ChainFacts *facts) noexcept nogil:
    if node.level == LEVEL_PORT:
        return by_number(node, facts.local.port) if is_ip(facts.local) else TARGET_NONE
    if node.level == LEVEL_DESTINATION:
        return by_address(node, facts.local)
    if node.level == LEVEL_SERVER_NAME:
        return by_server_name(node, facts.server_name)
    if node.level == LEVEL_TRANSPORT:
        return by_name(node, facts.transport_protocol)
    if node.level == LEVEL_APPLICATION:
        return by_protocols(node, facts.application_protocols, facts.application_protocols_len)
    if node.level == LEVEL_DIRECT_SOURCE:
        return by_address(node, facts.direct_remote)
    if node.level == LEVEL_SOURCE_TYPE:
        return by_number(node, SOURCE_LOCAL if is_local_source(facts.remote, facts.local) else SOURCE_EXTERNAL)
    if node.level == LEVEL_SOURCE:
        return by_address(node, facts.remote)
    return by_number(node, facts.remote.port) if is_ip(facts.remote) else TARGET_NONE


cdef int chain_index_find(const ChainIndex *index, const ChainFacts *facts) noexcept nogil:
    cdef const ChainNode *node
    cdef uint32_t target = index.root
    while target != TARGET_NONE and target & <uint32_t>TARGET_CHAIN == 0:
        node = &index.nodes[target - 1]
        target = answer(node, facts)
        if target == TARGET_NONE:
            target = node.otherwise
    return -1 if target == TARGET_NONE else <int>(target & ~<uint32_t>TARGET_CHAIN)
