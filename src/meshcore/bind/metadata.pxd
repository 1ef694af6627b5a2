# Python values as metadata: what a plan or a Python filter says, as the engine's MetaValue, in an arena.
#
# Needs the GIL. Raises MemoryError, and TypeError for what JSON has no word for.
from meshcore.base.arena cimport Arena
from meshcore.observe.metadata cimport FilterState, MetaValue, Metadata

cdef int metadata_value(Arena *arena, object value, MetaValue *out) except -1
cdef int metadata_fill(Arena *arena, object namespaces, Metadata *out) except -1         # {namespace: {key: value}}
cdef int filter_state_fill(Arena *arena, object texts, FilterState *out) except -1       # {key: text}
cdef object metadata_object(const MetaValue *value)                                      # the way back; NULL: None
