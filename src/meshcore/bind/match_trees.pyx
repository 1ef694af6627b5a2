"""Compiles match trees; see match_trees.pxd for the law."""
import ipaddress
import itertools

from libc.stdint cimport uint16_t, uint32_t

from meshcore.base.span cimport Span
from meshcore.bind.matchers cimport compile_string, keep, keep_lower, take
from meshcore.bind.stream_matchers cimport compile_cidrs
from meshcore.codec.head cimport head_identify
from meshcore.observe.ip cimport Cidr
from meshcore.route.match_tree cimport (
    INPUT_APPLICATION_PROTOCOLS, INPUT_DESTINATION_IP, INPUT_DESTINATION_PORT, INPUT_DIRECT_SOURCE_IP, INPUT_FILTER_STATE, INPUT_HEADER,
    INPUT_QUERY, INPUT_SERVER_NAME, INPUT_SOURCE_IP, INPUT_SOURCE_PORT, INPUT_SOURCE_TYPE, INPUT_TEXT, INPUT_TRANSPORT_PROTOCOL,
    PREDICATE_AND, PREDICATE_IP, PREDICATE_NOT, PREDICATE_OR, PREDICATE_STRING, TREE_EXACT, TREE_IP, TREE_LIST, TREE_PREFIX, OnMatch,
    Predicate, TreeField, TreeHash, TreeInput, TreeRange, TreeRun, TreeSlot, tree_hash_init, tree_hash_slot,
)
from meshcore.route.matcher cimport header_source

INPUTS = {
    "header": INPUT_HEADER, "query": INPUT_QUERY, "filter_state": INPUT_FILTER_STATE, "text": INPUT_TEXT, "source_ip": INPUT_SOURCE_IP,
    "direct_source_ip": INPUT_DIRECT_SOURCE_IP, "destination_ip": INPUT_DESTINATION_IP, "source_port": INPUT_SOURCE_PORT,
    "destination_port": INPUT_DESTINATION_PORT, "server_name": INPUT_SERVER_NAME,
    "transport_protocol": INPUT_TRANSPORT_PROTOCOL, "application_protocol": INPUT_APPLICATION_PROTOCOLS, "source_type": INPUT_SOURCE_TYPE,
}
PREDICATES = {
    "string": PREDICATE_STRING, "ip": PREDICATE_IP, "and": PREDICATE_AND, "or": PREDICATE_OR, "not": PREDICATE_NOT,
}
TREES = {"list": TREE_LIST, "exact": TREE_EXACT, "prefix": TREE_PREFIX, "ip": TREE_IP}
RUN_MIN = 8                        # from here on a run of exact values is worth a hash


cdef int compile_input(Arena *arena, object spec, TreeInput *out) except -1:
    out.kind = INPUTS[spec.kind]
    if out.kind == INPUT_HEADER:
        out.header.name = keep_lower(arena, spec.name)
        out.header.id = head_identify(out.header.name.at, out.header.name.len)
        out.header.source = header_source(out.header.name)
    elif out.kind != INPUT_TEXT:
        out.text = keep(arena, spec.name)
    elif spec.value is not None:
        out.text = keep(arena, spec.value)
    return 0


cdef int compile_on_match(Arena *arena, Regex **regexes, object spec, OnMatch *out) except -1:
    if spec is None:
        return 0
    out.there = True
    out.keep_matching = spec.keep_matching
    out.tree = compile_tree(arena, regexes, spec.tree)
    out.action = spec.action
    return 0


cdef int compile_predicate(Arena *arena, Regex **regexes, object spec, Predicate *out) except -1:
    cdef Predicate *parts
    out.kind = PREDICATES[spec.kind]
    if spec.input is not None:
        compile_input(arena, spec.input, &out.input)
    if spec.string is not None:
        compile_string(arena, regexes, spec.string, &out.string)
    out.ranges = compile_cidrs(arena, spec.ranges, &out.ranges_len)
    parts = <Predicate *>take(arena, len(spec.parts) * sizeof(Predicate))
    for i, part in enumerate(spec.parts):
        compile_predicate(arena, regexes, part, &parts[<int>i])
    out.parts = parts
    out.parts_len = len(spec.parts)
    return 0


def _question(field):
    """What a run may have in common: the input, where an exact value of it is asked for."""
    predicate = field[0]
    string = predicate.string
    exact = predicate.kind == "string" and string.kind == "exact" and not string.ignore_case
    return predicate.input if exact else None


cdef int hash_run(Arena *arena, TreeField *fields, uint32_t n, TreeHash *out) except -1:
    cdef TreeSlot *slot
    cdef uint32_t i = n
    if not tree_hash_init(out, arena, n):
        raise MemoryError
    while i > 0:                   # backwards, so that each chain begins with the first of its value
        i -= 1
        slot = tree_hash_slot(out, fields[i].predicate.string.value)
        slot.key = fields[i].predicate.string.value
        fields[i].same = slot.field
        slot.field = &fields[i]
    return 0


cdef int compile_list(Arena *arena, Regex **regexes, object spec, MatchTree *tree) except -1:
    cdef TreeField *fields = <TreeField *>take(arena, len(spec.fields) * sizeof(TreeField))
    cdef TreeRun *runs
    cdef uint32_t first = 0
    for i, (predicate, on_match) in enumerate(spec.fields):
        compile_predicate(arena, regexes, predicate, &fields[<int>i].predicate)
        compile_on_match(arena, regexes, on_match, &fields[<int>i].on_match)
    groups = [(question, len(list(group))) for question, group in itertools.groupby(spec.fields, _question)]
    runs = <TreeRun *>take(arena, len(groups) * sizeof(TreeRun))
    for i, (question, n) in enumerate(groups):
        runs[<int>i].fields = &fields[first]
        runs[<int>i].len = n
        if question is not None and n >= RUN_MIN:
            hash_run(arena, &fields[first], n, &runs[<int>i].by_value)
        first += <uint32_t>n
    tree.runs = runs
    tree.runs_len = len(groups)
    return 0


cdef int compile_map(Arena *arena, Regex **regexes, object spec, MatchTree *tree) except -1:
    cdef OnMatch *on_match = <OnMatch *>take(arena, len(spec.entries) * sizeof(OnMatch))
    cdef uint32_t *lens
    cdef TreeSlot *slot
    cdef Span key
    if not tree_hash_init(&tree.map, arena, len(spec.entries)):
        raise MemoryError
    for i, (text, branch) in enumerate(spec.entries):
        compile_on_match(arena, regexes, branch, &on_match[<int>i])
        key = keep(arena, text)
        slot = tree_hash_slot(&tree.map, key)
        slot.key = key
        slot.on_match = &on_match[<int>i]
    distinct = sorted({len(text.encode()) for text, _ in spec.entries}, reverse=True)
    lens = <uint32_t *>take(arena, len(distinct) * sizeof(uint32_t))
    for i, length in enumerate(distinct):
        lens[<int>i] = length
    tree.prefix_lens = lens
    tree.prefix_lens_len = len(distinct)
    return 0


cdef int compile_ranges(Arena *arena, Regex **regexes, object spec, MatchTree *tree) except -1:
    cdef TreeRange *list = <TreeRange *>take(arena, len(spec.ranges) * sizeof(TreeRange))
    cdef Cidr *block
    cdef uint16_t n
    # An IPv4 range is as specific as its bits say; the order among equals is that of the configuration.
    ordered = sorted(spec.ranges, key=lambda one: (ipaddress.ip_address(one[0][0]).version, -one[0][1]))
    for i, (cidr, exclusive, on_match) in enumerate(ordered):
        block = compile_cidrs(arena, (cidr,), &n)
        list[<int>i].block = block[0]
        list[<int>i].exclusive = exclusive
        compile_on_match(arena, regexes, on_match, &list[<int>i].on_match)
    tree.ranges = list
    tree.ranges_len = len(ordered)
    return 0


cdef MatchTree *compile_tree(Arena *arena, Regex **regexes, object spec) except? NULL:
    cdef MatchTree *tree
    if spec is None:
        return NULL
    tree = <MatchTree *>take(arena, sizeof(MatchTree))
    tree.kind = TREES[spec.kind]
    compile_on_match(arena, regexes, spec.otherwise, &tree.otherwise)
    if tree.kind == TREE_LIST:
        compile_list(arena, regexes, spec, tree)
        return tree
    compile_input(arena, spec.input, &tree.input)
    if tree.kind == TREE_IP:
        compile_ranges(arena, regexes, spec, tree)
    else:
        compile_map(arena, regexes, spec, tree)
    return tree
