# Format: `%OPERATOR(argument):length%` strings compiled to a list of operators; one mechanism for access logs (text and JSON), header
# mutations, local replies and direct responses.
#
# Compiled once on the main thread (format_compile, into the table's arena), then immutable and shared by all workers; format_write
# runs on a worker, allocates nothing and never writes past `end`.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from meshcore.base.arena cimport Arena
from meshcore.base.span cimport Span
from meshcore.observe.operator cimport Operator
from meshcore.observe.record cimport Record

cdef enum:
    JSON_DEPTH = 32

cdef struct Format:
    Operator *operators
    uint16_t len
    uint16_t cap
    bint omit_empty                # a missing value is nothing instead of "-"; set by the caller after compiling (headers want it)
    bint json                      # values are written as JSON tokens
    uint8_t depth                  # brackets open while a JSON format is built
    bint has_operators             # False: literal text only, and the text as it was given

# What the process knows and a stream does not: for %HOSTNAME% and the like. Set once before workers start.
cdef void format_environment(Span hostname) noexcept nogil

# Text format. On failure NULL, and `error` holds a message in the arena (operator named, what would be accepted).
cdef Format *format_compile(Arena *arena, Span text, Span *error) noexcept nogil
# Parts of a JSON format: `literal` spans are copied as they are, `value` is a format string whose result becomes one JSON token (typed:
# a single numeric operator gives a number, a missing value gives null, anything else a string).
cdef Format *format_json_new(Arena *arena, uint16_t cap) noexcept nogil
cdef bint format_json_literal(Arena *arena, Format *format, Span literal) noexcept nogil
cdef bint format_json_value(Arena *arena, Format *format, Span text, Span *error) noexcept nogil
# The same for a format that leaves missing values out (omit_empty): braces, brackets and keys are steps of their own, because a comma
# and an object without members can only be decided while the line is written. `key` is the quoted name with its colon, or empty in a
# list. Nesting deeper than JSON_DEPTH is refused.
cdef bint format_json_open(Arena *arena, Format *format, char bracket) noexcept nogil
cdef bint format_json_key(Arena *arena, Format *format, Span key) noexcept nogil
cdef bint format_json_close(Arena *arena, Format *format, char bracket) noexcept nogil

# Writes at `out`, never beyond `end`; the end of what was written. What does not fit is cut at a whole operator.
cdef char *format_write(const Format *format, Record *record, char *out, char *end) noexcept nogil
cdef size_t format_bound(const Format *format, Record *record) noexcept nogil      # an upper bound of what format_write needs
