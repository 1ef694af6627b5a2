# Builds a path index from its keys. Main thread, once per virtual host; what it builds lies in the table's arena.
from libc.stdint cimport uint32_t

from meshcore.base.arena cimport Arena
from meshcore.route.path_index cimport PathIndex, PathKey

# Sorts the keys in place. No keys: an index without a root. False: no memory.
cdef bint path_index_build(PathIndex *index, Arena *arena, PathKey *keys, uint32_t n) noexcept nogil
