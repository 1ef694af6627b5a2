# Metadata out of protocol buffers: google.protobuf.Struct and Value as a tree of metadata.
#
# For filters whose peers speak protobuf. Texts are borrowed from the message, which therefore lives as long as the tree; nesting is limited.
# What is read of a message that is broken stays. Worker thread.
from meshcore.base.arena cimport Arena
from meshcore.base.span cimport Span
from meshcore.observe.metadata cimport MetaValue

cdef bint metadata_read_struct(Span message, Arena *arena, MetaValue *into) noexcept nogil      # False: it is no Struct
cdef bint metadata_read_value(Span message, Arena *arena, MetaValue *into) noexcept nogil       # False: it is no Value
