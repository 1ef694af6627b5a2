# A copy of a head in another arena, with bytes of its own: for a stream that must not depend on the one it comes from. Any thread.
from meshcore.base.arena cimport Arena
from meshcore.codec.head cimport Head

cdef bint head_copy(Head *to, Head *source, Arena *arena) noexcept nogil      # dropped headers stay behind; False: no memory
