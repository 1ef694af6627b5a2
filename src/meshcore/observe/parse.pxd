# Parse: one %OPERATOR(argument):length% to one Operator, on the main thread at load.
from libc.stdint cimport uint32_t

from meshcore.base.arena cimport Arena
from meshcore.base.span cimport Span
from meshcore.observe.operator cimport Operator

cdef struct Spelled:
    # The parts of an operator as they stand in the format.
    Span name
    Span argument
    bint has_argument
    bint limited                   # ":length" was given
    uint32_t limit

# `text` begins with the per cent sign: how many bytes the operator takes, 0 when what follows is none.
cdef size_t spelled_read(Span text, Spelled *out) noexcept nogil
# False: `error` says what is wrong, in the arena. Strings of the operator stay in the spelled text.
cdef bint operator_parse(Arena *arena, const Spelled *spelled, Operator *out, Span *error) noexcept nogil
cdef bint fail(Arena *arena, Span *error, const char *before, Span named, const char *after) noexcept nogil      # always False
cdef void parse_environment(Span hostname) noexcept nogil                                 # what %HOSTNAME% compiles to
