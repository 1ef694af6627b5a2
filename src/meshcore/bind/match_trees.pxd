# Compiles spec.MatchTree to the engine's match tree, in an arena.
#
# Main thread, with the GIL; the same rules as matchers.pxd. What an action's number means is the business of whoever uses the tree.
from meshcore.base.arena cimport Arena
from meshcore.route.match_tree cimport MatchTree
from meshcore.route.regex cimport Regex

cdef MatchTree *compile_tree(Arena *arena, Regex **regexes, object spec) except? NULL      # None: NULL
