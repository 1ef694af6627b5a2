"""Compiles filter-chain conditions; see chain_index.pxd for the law.

First a tree of dicts, one level per question; then a node for each dict that really asks something. Prefixes become ranges that do not
overlap, so that the engine finds the most specific one by a single search.
"""
import ipaddress

from libc.stdint cimport uint16_t, uint32_t
from libc.string cimport memcpy

from meshcore.bind.matchers cimport keep, take
from meshcore.route.chain_index cimport (
    LEVEL_APPLICATION, LEVEL_DESTINATION, LEVEL_DIRECT_SOURCE, LEVEL_PORT, LEVEL_SERVER_NAME, LEVEL_SOURCE, LEVEL_SOURCE_PORT,
    LEVEL_SOURCE_TYPE, LEVEL_TRANSPORT, SOURCE_EXTERNAL, SOURCE_LOCAL, TARGET_CHAIN, TARGET_NONE, ChainNode, ChainRange,
    chain_names_init, chain_names_put,
)

LEVELS = (
    LEVEL_PORT, LEVEL_DESTINATION, LEVEL_SERVER_NAME, LEVEL_TRANSPORT, LEVEL_APPLICATION, LEVEL_DIRECT_SOURCE, LEVEL_SOURCE_TYPE,
    LEVEL_SOURCE, LEVEL_SOURCE_PORT,
)
BY_ADDRESS = {LEVEL_DESTINATION, LEVEL_DIRECT_SOURCE, LEVEL_SOURCE}
BY_NAME = {LEVEL_SERVER_NAME, LEVEL_TRANSPORT, LEVEL_APPLICATION}
SOURCE_TYPES = {"local": SOURCE_LOCAL, "external": SOURCE_EXTERNAL}
CHAIN = <uint32_t>TARGET_CHAIN    # as a number that is not negative
NEEDS_LOCAL = {LEVEL_PORT, LEVEL_DESTINATION, LEVEL_SOURCE_TYPE}


def ranges_of(prefixes, bits, otherwise):
    """[(first address, target)] ascending and without overlap, of {(first, last): target} below `otherwise`."""
    found = {0: otherwise}
    around = []                    # what holds the range at hand: (where it ends, what stands around it)
    last, inside = (1 << bits) - 1, otherwise
    for (first, end), target in sorted(prefixes.items(), key=lambda one: (one[0][0], -one[0][1])):
        while last < first:
            after = last + 1
            last, inside = around.pop()
            found[after] = inside
        around.append((last, inside))
        last, inside = end, target
        found[first] = target
    while around:
        after = last + 1
        last, inside = around.pop()
        if after < 1 << bits:
            found[after] = inside
    return sorted(found.items())


def networks(table, version):
    """{(first, last): target} of the prefixes of one address family."""
    parsed = ((ipaddress.ip_network(f"{host}/{bits}"), target) for (host, bits), target in table.items())
    return {(int(net.network_address), int(net.broadcast_address)): target for net, target in parsed if net.version == version}


cdef ChainRange *compile_ranges(Arena *arena, object table, int version, uint32_t otherwise, uint32_t *n) except NULL:
    ranges = ranges_of(networks(table, version), 32 if version == 4 else 128, otherwise)
    cdef ChainRange *list = <ChainRange *>take(arena, len(ranges) * sizeof(ChainRange))
    cdef bytes raw
    for i, (first, target) in enumerate(ranges):
        raw = first.to_bytes(4 if version == 4 else 16, "big")
        memcpy(list[<int>i].start, <const char *>raw, len(raw))
        list[<int>i].target = target
    n[0] = len(ranges)
    return list


cdef int compile_node(Arena *arena, int level, object table, uint32_t otherwise, ChainNode *node) except -1:
    node.level = level
    node.otherwise = otherwise
    if level in BY_ADDRESS:
        node.v4 = compile_ranges(arena, table, 4, otherwise, &node.v4_len)
        node.v6 = compile_ranges(arena, table, 6, otherwise, &node.v6_len)
        return 0
    if level in BY_NAME:
        if not chain_names_init(node, arena, len(table)):
            raise MemoryError
        for name, target in table.items():
            chain_names_put(node, keep(arena, name), target)
        return 0
    numbers = sorted((SOURCE_TYPES.get(number, number), target) for number, target in table.items())
    node.numbers_len = len(numbers)
    node.numbers = <uint16_t *>take(arena, len(numbers) * sizeof(uint16_t))
    node.targets = <uint32_t *>take(arena, len(numbers) * sizeof(uint32_t))
    for i, (number, target) in enumerate(numbers):
        node.numbers[<int>i] = number
        node.targets[<int>i] = target
    return 0


def tree_of(chains):
    """Nested dicts of nine levels, with the position of a chain at the end of each path."""
    root = {}
    for i, chain in enumerate(chains):
        if not chain.fallback:
            for path in chain.match.paths():
                at = root
                *above, last = path
                for key in above:
                    at = at.setdefault(key, {})
                at[last] = i
    return root


def plan_nodes(tree, fallback):
    """(root target, [(level, {key: target}, otherwise)]): a level that asks nothing has no node."""
    nodes = []

    def target(part, depth):
        if depth == len(LEVELS):
            return CHAIN | part
        while depth < len(LEVELS) and part.keys() == {None}:
            part = part[None]
            depth += 1
        if depth == len(LEVELS):
            return CHAIN | part
        otherwise = target(part[None], depth + 1) if None in part else fallback
        table = {key: target(below, depth + 1) for key, below in part.items() if key is not None}
        nodes.append((LEVELS[depth], table, otherwise))
        return len(nodes)

    return (target(tree, 0) if tree else fallback), nodes


cdef ChainIndex *compile_chains(Arena *arena, object chains) except NULL:
    cdef ChainIndex *index = <ChainIndex *>take(arena, sizeof(ChainIndex))
    fallback = next((CHAIN | i for i, chain in enumerate(chains) if chain.fallback), TARGET_NONE)
    index.root, nodes = plan_nodes(tree_of(chains), fallback)
    index.nodes = <ChainNode *>take(arena, len(nodes) * sizeof(ChainNode))
    index.nodes_len = len(nodes)
    index.local = any(level in NEEDS_LOCAL for level, _, _ in nodes)
    for i, (level, table, otherwise) in enumerate(nodes):
        compile_node(arena, level, table, otherwise, &index.nodes[<int>i])
    return index
