# Match tree: xDS's unified matcher. Nodes look at one input of a request and lead to other nodes or to an action, a number that the owner of
# the tree gave it.
#
# A list asks predicate after predicate; runs of equal questions ("this header is exactly ...") are looked up by hash, so ten thousand of them
# cost what one costs. A map looks its input up by the whole value, by its longest known prefix, or by IP range. What a branch does not answer is
# asked further on, and last of all of `otherwise`; that and `keep_matching` are as in Envoy. Immutable, in its owner's arena, any worker.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.arena cimport Arena
from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.observe.ip cimport Cidr
from meshcore.observe.record cimport Record
from meshcore.route.matcher cimport HeaderMatcher, StringMatcher

cdef enum InputKind:
    INPUT_HEADER                   # of the request; several lines joined by a comma
    INPUT_QUERY                    # a query parameter
    INPUT_FILTER_STATE
    INPUT_TEXT                     # the same for every request: an environment variable
    INPUT_SOURCE_IP                # after x-forwarded-for
    INPUT_DIRECT_SOURCE_IP
    INPUT_DESTINATION_IP
    INPUT_SOURCE_PORT
    INPUT_DESTINATION_PORT
    INPUT_SERVER_NAME
    INPUT_TRANSPORT_PROTOCOL
    INPUT_APPLICATION_PROTOCOLS
    INPUT_SOURCE_TYPE              # "local", or no value

cdef enum TreeKind:
    TREE_LIST
    TREE_EXACT
    TREE_PREFIX
    TREE_IP

cdef enum PredicateKind:
    PREDICATE_STRING
    PREDICATE_IP
    PREDICATE_AND
    PREDICATE_OR
    PREDICATE_NOT                  # of its one part

cdef enum:
    INPUT_TEXT_MAX = 4096          # joined header lines beyond this are cut

cdef struct TreeInput:
    uint8_t kind                   # InputKind
    HeaderMatcher header           # INPUT_HEADER: name, id and source
    Span text                      # name of the parameter or object; the value of INPUT_TEXT

cdef struct OnMatch:
    bint there
    bint keep_matching             # a match here is only noted: the search goes on
    const MatchTree *tree          # NULL: `action`
    uint32_t action

cdef struct Predicate:
    uint8_t kind                   # PredicateKind
    TreeInput input
    StringMatcher string
    const Cidr *ranges
    uint16_t ranges_len
    uint16_t parts_len
    const Predicate *parts

cdef struct TreeField:
    # One entry of a list.
    Predicate predicate
    OnMatch on_match
    const TreeField *same          # the next one of the run that asks for the same value; NULL: none

cdef struct TreeSlot:
    uint64_t hash
    Span key
    const OnMatch *on_match        # of a map; NULL = free
    const TreeField *field         # of a run: the first with that value

cdef struct TreeHash:
    TreeSlot *slots                # NULL: nothing to look up
    uint32_t mask

cdef struct TreeRun:
    # Neighbours in a list. With a hash all of them ask for an exact value of the input of the first.
    const TreeField *fields
    uint32_t len
    TreeHash by_value

cdef struct TreeRange:
    # Sorted: the most specific first, then as configured.
    Cidr block
    bint exclusive                 # not asked when a more specific range was
    OnMatch on_match

cdef struct MatchTree:
    uint8_t kind                   # TreeKind
    TreeInput input                # of maps
    OnMatch otherwise
    const TreeRun *runs            # TREE_LIST
    uint32_t runs_len
    TreeHash map                   # TREE_EXACT, TREE_PREFIX
    const uint32_t *prefix_lens    # TREE_PREFIX: distinct lengths, longest first
    uint32_t prefix_lens_len
    const TreeRange *ranges        # TREE_IP
    uint32_t ranges_len

cdef bint match_tree_find(const MatchTree *tree, Head *request, const Record *record, uint32_t *action) noexcept nogil   # False: no match
cdef bint tree_hash_init(TreeHash *table, Arena *arena, uint32_t n) noexcept nogil          # room for n keys. False: no memory
cdef TreeSlot *tree_hash_slot(const TreeHash *table, Span key) noexcept nogil               # of that key, or the free one where it belongs
