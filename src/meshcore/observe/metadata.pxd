# Metadata: the facts that filters leave on a stream for one another, for routes and for log lines: dynamic metadata (a JSON-like tree per
# namespace) and filter state (named texts).
#
# The stores lie in the Record, everything in them in the stream's arena; an empty store is one NULL pointer. Filters write, matchers and
# formats read. Nothing here is freed before the stream. Texts are borrowed: who sets one keeps its bytes for as long as the stream lives.
# Worker thread.
from libc.stdint cimport uint8_t

from meshcore.base.arena cimport Arena
from meshcore.base.span cimport Span

cdef enum MetaKind:
    META_NULL
    META_BOOL
    META_NUMBER
    META_TEXT
    META_STRUCT
    META_LIST

cdef struct MetaValue:
    uint8_t kind                   # MetaKind
    bint flag                      # META_BOOL
    double number
    Span text
    MetaItem *items                # of a struct or a list, in the order in which they came

cdef struct MetaItem:
    Span key                       # empty in a list
    MetaValue value
    MetaItem *next

cdef struct Metadata:
    MetaItem *namespaces           # each a META_STRUCT; NULL: there is no metadata

cdef struct FilterStateItem:
    Span key
    Span text                      # what the object prints; `at` NULL: nothing
    MetaValue *typed               # its typed form; NULL: the text
    bint map                       # `typed` has the user's names, so formats may ask for one; else it is a message
    bint read_only                 # who set it wants it to stay
    FilterStateItem *next

cdef struct FilterState:
    FilterStateItem *items         # NULL: there is none

cdef const MetaValue *metadata_find(const Metadata *store, Span namespace, const Span *path, int n) noexcept nogil    # NULL: not there
cdef MetaValue *metadata_namespace(Metadata *store, Arena *arena, Span namespace) noexcept nogil   # made when missing; NULL: no memory
cdef const MetaValue *meta_member(const MetaValue *parent, Span key) noexcept nogil                 # NULL: no struct, or no such member
cdef MetaValue *meta_make(MetaValue *parent, Arena *arena, Span key) noexcept nogil                 # member of that key, made when missing
cdef MetaValue *meta_append(MetaValue *parent, Arena *arena) noexcept nogil                         # a new last item of a list
# Structs are merged member by member, lists are concatenated, everything else is replaced (Envoy's StructUtil::update). False: no memory.
cdef bint meta_merge(MetaValue *into, Arena *arena, const MetaValue *value) noexcept nogil
cdef Metadata *metadata_pack(const Metadata *store) noexcept nogil      # a copy in one block, for free(); NULL: no memory

# JSON with the members by name; what does not fit before `end` is cut. The end of what was written.
cdef char *meta_json_write(const MetaValue *value, char *out, char *end) noexcept nogil
cdef char *meta_message_write(const MetaValue *value, char *out, char *end) noexcept nogil    # names_like_this as namesLikeThis

cdef const FilterStateItem *filter_state_find(const FilterState *store, Span key) noexcept nogil
cdef bint filter_state_set(FilterState *store, Arena *arena, Span key, Span text) noexcept nogil    # False: no memory
# An item in place of what has that key, with an empty struct as its typed form and no plain one. NULL: no memory.
cdef FilterStateItem *filter_state_struct(FilterState *store, Arena *arena, Span key) noexcept nogil
