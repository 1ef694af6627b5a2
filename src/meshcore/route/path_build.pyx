"""Builds the compressed trie of path_index.pxd from sorted keys.

Two passes, no recursion (keys may nest ten thousand deep). The first grows a plain tree along its rightmost path: sorted keys
arrive in order, so a new key splits at most the edge that ended at its common prefix with the key before. The second lays the
nodes out breadth first, so that siblings lie side by side and every node is filled after its parent, whose `sure` and `above` it
inherits. Scratch memory is malloc'ed and freed here; the nodes themselves lie in the arena.
"""
from libc.stdint cimport uint8_t, uint16_t
from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memcmp, memset

from meshcore.base.arena cimport arena_take
from meshcore.base.span cimport Span, span, span_equal
from meshcore.route.path_index cimport NARROW, NO_ORDER, OrderList, PathNode

cdef enum:
    NONE = 0xffffffff
    ROOT = 0

cdef struct Sprout:
    # A node of the first pass.
    const char *text               # `depth` bytes, of any key at or below
    uint32_t depth
    uint32_t parent
    uint32_t first_child
    uint32_t last_child
    uint32_t left                  # siblings
    uint32_t right
    uint32_t keys                  # the keys with exactly this text: the first, and how many
    uint32_t keys_len
    uint32_t final                 # position in the second pass

cdef struct Builder:
    PathKey *keys
    uint32_t keys_len
    Sprout *sprouts
    uint32_t sprouts_len
    uint32_t *queue                # sprouts, breadth first
    PathNode *nodes
    Arena *arena


cdef int key_order(const void *left, const void *right) noexcept nogil:
    cdef const PathKey *a = <const PathKey *>left
    cdef const PathKey *b = <const PathKey *>right
    cdef uint32_t n = a.text.len if a.text.len < b.text.len else b.text.len
    cdef int difference = memcmp(a.text.at, b.text.at, n) if n > 0 else 0
    if difference != 0:
        return difference
    if a.text.len != b.text.len:
        return -1 if a.text.len < b.text.len else 1
    return (a.order > b.order) - (a.order < b.order)


cdef uint32_t sprout_new(Builder *builder, const char *text, uint32_t depth) noexcept nogil:
    cdef uint32_t at = builder.sprouts_len
    cdef Sprout *sprout = &builder.sprouts[at]
    builder.sprouts_len += 1
    memset(sprout, 0, sizeof(Sprout))
    sprout.text = text
    sprout.depth = depth
    sprout.parent = sprout.first_child = sprout.last_child = sprout.left = sprout.right = NONE
    return at


cdef void append_child(Builder *builder, uint32_t parent, uint32_t child) noexcept nogil:
    cdef Sprout *sprouts = builder.sprouts
    cdef uint32_t last = sprouts[parent].last_child
    sprouts[child].parent = parent
    sprouts[child].left = last
    sprouts[child].right = NONE
    sprouts[parent].last_child = child
    if last == NONE:
        sprouts[parent].first_child = child
    else:
        sprouts[last].right = child


cdef uint32_t split_last(Builder *builder, uint32_t parent, uint32_t depth) noexcept nogil:
    # Puts a node between the parent and its last child.
    cdef Sprout *sprouts = builder.sprouts
    cdef uint32_t last = sprouts[parent].last_child
    cdef uint32_t middle = sprout_new(builder, sprouts[last].text, depth)
    sprouts[parent].last_child = sprouts[last].left
    if sprouts[last].left == NONE:
        sprouts[parent].first_child = NONE
    else:
        sprouts[sprouts[last].left].right = NONE
    append_child(builder, parent, middle)
    append_child(builder, middle, last)
    return middle


cdef uint32_t common(Span a, Span b) noexcept nogil:
    cdef uint32_t n = a.len if a.len < b.len else b.len
    cdef uint32_t i
    for i in range(n):
        if a.at[i] != b.at[i]:
            return i
    return n


cdef void grow_tree(Builder *builder) noexcept nogil:
    cdef PathKey *keys = builder.keys
    cdef uint32_t top = sprout_new(builder, NULL, 0)
    cdef uint32_t i = 0
    cdef uint32_t stop, shared, node
    cdef Span before = span(NULL, 0)
    while i < builder.keys_len:
        stop = i + 1
        while stop < builder.keys_len and span_equal(keys[stop].text, keys[i].text):
            stop += 1
        node = ROOT
        if keys[i].text.len > 0:
            shared = common(before, keys[i].text)
            while builder.sprouts[top].depth > shared:
                top = builder.sprouts[top].parent
            if builder.sprouts[top].depth < shared:
                top = split_last(builder, top, shared)
            node = sprout_new(builder, keys[i].text.at, keys[i].text.len)
            append_child(builder, top, node)
            top = node
        builder.sprouts[node].keys = i
        builder.sprouts[node].keys_len = stop - i
        before = keys[i].text
        i = stop


cdef void order_nodes(Builder *builder) noexcept nogil:
    cdef uint32_t head = 0
    cdef uint32_t tail = 1
    cdef uint32_t child
    builder.queue[0] = ROOT
    builder.sprouts[ROOT].final = 0
    while head < tail:
        child = builder.sprouts[builder.queue[head]].first_child
        while child != NONE:
            builder.sprouts[child].final = tail
            builder.queue[tail] = child
            tail += 1
            child = builder.sprouts[child].right
        head += 1


cdef bint fill_list(Builder *builder, Sprout *sprout, bint exact, uint32_t bound, OrderList *out) noexcept nogil:
    # Keys are in ascending order. `bound`: the first sure route that holds here anyway; later candidates can never win.
    cdef PathKey *keys = builder.keys + sprout.keys
    cdef uint32_t *orders
    cdef uint32_t i
    cdef uint32_t n = 0
    out.sure = NO_ORDER
    for i in range(sprout.keys_len):
        if keys[i].exact == exact:
            if keys[i].sure:
                out.sure = keys[i].order
                break
            n += 1
    if out.sure < bound:
        bound = out.sure
    orders = <uint32_t *>arena_take(builder.arena, n * sizeof(uint32_t))
    if orders == NULL:
        return False
    n = 0
    for i in range(sprout.keys_len):
        if keys[i].order >= bound:
            break
        if keys[i].exact == exact and not keys[i].sure:
            orders[n] = keys[i].order
            n += 1
    out.orders = orders
    out.len = n
    return True


cdef bint link_children(Builder *builder, Sprout *sprout, PathNode *node) noexcept nogil:
    cdef uint32_t child = sprout.first_child
    cdef uint16_t *wide = NULL
    cdef uint16_t n = 0
    cdef uint8_t first
    while child != NONE:
        n += 1
        child = builder.sprouts[child].right
    node.children_len = n
    if n == 0:
        return True
    node.children = &builder.nodes[builder.sprouts[sprout.first_child].final]
    if n > NARROW:
        wide = <uint16_t *>arena_take(builder.arena, 256 * sizeof(uint16_t))
        if wide == NULL:
            return False
        memset(wide, 0, 256 * sizeof(uint16_t))
        node.wide = wide
    n = 0
    child = sprout.first_child
    while child != NONE:
        first = <uint8_t>builder.sprouts[child].text[sprout.depth]
        if wide != NULL:
            wide[first] = n + 1
        else:
            node.firsts[n] = first
        n += 1
        child = builder.sprouts[child].right
    return True


cdef bint fill_node(Builder *builder, Sprout *sprout) noexcept nogil:
    cdef PathNode *node = &builder.nodes[sprout.final]
    cdef PathNode *parent = NULL
    cdef uint32_t from_above = NO_ORDER
    cdef uint32_t shallow = 0
    memset(node, 0, sizeof(PathNode))
    node.above_first = NO_ORDER
    if sprout.parent != NONE:
        parent = &builder.nodes[builder.sprouts[sprout.parent].final]
        shallow = builder.sprouts[sprout.parent].depth
        from_above = parent.begins.sure
        node.above = parent.above
        node.above_first = parent.above_first
        if parent.begins.len > 0:
            node.above = parent
            if parent.begins.orders[0] < node.above_first:
                node.above_first = parent.begins.orders[0]
    node.label = span(sprout.text + shallow, sprout.depth - shallow)
    if not fill_list(builder, sprout, False, from_above, &node.begins):
        return False
    if from_above < node.begins.sure:
        node.begins.sure = from_above
    if not fill_list(builder, sprout, True, node.begins.sure, &node.exactly):
        return False
    return link_children(builder, sprout, node)


cdef bint build(Builder *builder) noexcept nogil:
    cdef uint32_t i
    grow_tree(builder)
    order_nodes(builder)
    builder.nodes = <PathNode *>arena_take(builder.arena, builder.sprouts_len * sizeof(PathNode))
    if builder.nodes == NULL:
        return False
    for i in range(builder.sprouts_len):
        if not fill_node(builder, &builder.sprouts[builder.queue[i]]):
            return False
    return True


cdef bint path_index_build(PathIndex *index, Arena *arena, PathKey *keys, uint32_t n) noexcept nogil:
    cdef Builder builder
    cdef uint32_t most = 2 * n + 1
    cdef bint built = False
    index.root = NULL
    if n == 0:
        return True
    memset(&builder, 0, sizeof(Builder))
    builder.keys = keys
    builder.keys_len = n
    builder.arena = arena
    builder.sprouts = <Sprout *>malloc(most * sizeof(Sprout))
    builder.queue = <uint32_t *>malloc(most * sizeof(uint32_t))
    if builder.sprouts != NULL and builder.queue != NULL:
        qsort(keys, n, sizeof(PathKey), key_order)
        built = build(&builder)
    if built:
        index.root = builder.nodes
        index.nodes_len = builder.sprouts_len
    free(builder.sprouts)
    free(builder.queue)
    return built
