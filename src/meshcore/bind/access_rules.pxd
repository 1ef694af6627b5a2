# Compiles access rules (listener_spec.AccessRules). Main thread, with the GIL.
from meshcore.base.arena cimport Arena
from meshcore.route.access_rules cimport AccessRules
from meshcore.route.regex cimport Regex

cdef AccessRules *compile_access(Arena *arena, Regex **regexes, object spec) except? NULL       # NULL: None
