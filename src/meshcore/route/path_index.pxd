# Path index: from a request path to the routes whose path condition holds, in a compressed trie of bytes.
#
# Built once per virtual host (and letter-case rule) from keys; immutable, in the table's arena. A key says "paths that begin with
# this" or "exactly this path". A `sure` key needs no further condition; the others are candidates that the caller checks. A node
# knows the first sure route of itself and of all nodes above, so the walk usually ends with the answer and no candidate at all.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from meshcore.base.span cimport Span
from meshcore.route.value_index cimport ValueIndex

cdef enum:
    NO_ORDER = 0xffffffff
    NARROW = 14                    # children that need no table of 256

cdef struct PathKey:
    Span text                      # lower case when the index ignores case; the bytes stay with the caller
    uint32_t order                 # position in the virtual host
    bint exact
    bint sure

cdef struct OrderList:
    const uint32_t *orders         # of candidates, ascending; only those that could win against `sure`
    uint32_t len
    uint32_t sure                  # first sure route; NO_ORDER = none
    const ValueIndex *by_value     # the same candidates by header value, when there are many; NULL = few

cdef struct PathNode:
    Span label                     # the bytes between the parent and this node
    PathNode *children             # side by side, ascending by first label byte
    const uint16_t *wide           # by first byte: 1 + child, 0 = none; NULL in a narrow node
    uint16_t children_len
    uint8_t firsts[NARROW]         # first label byte of each child of a narrow node
    OrderList begins               # for paths that begin with the text up to here; `sure` counts the nodes above too
    OrderList exactly              # for the path that ends here; `sure` is of this node alone
    const PathNode *above          # the nearest node above with candidates in `begins`; NULL = none
    uint32_t above_first           # the first candidate in `above` and all above it; NO_ORDER = none

cdef struct PathIndex:
    PathNode *root                 # the first of all nodes, side by side; NULL: no keys
    uint32_t nodes_len
    bint ignore_case

cdef struct PathHit:
    const PathNode *node           # the deepest node that the path begins with
    bint exact                     # the path ends at the node

cdef PathHit path_index_find(const PathIndex *index, Span path) noexcept nogil       # the index has a root
