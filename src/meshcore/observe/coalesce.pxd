# Coalesce: the JSON argument of %COALESCE% compiled to a list of operators, on the main thread at load.
from meshcore.base.arena cimport Arena
from meshcore.base.span cimport Span
from meshcore.observe.operator cimport Operator

# `op` has just been parsed and holds the JSON in `text`: fills its choices. False: `error` says what is wrong.
cdef bint coalesce_compile(Arena *arena, Operator *op, Span *error) noexcept nogil
