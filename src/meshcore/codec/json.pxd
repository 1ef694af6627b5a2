# JSON (RFC 8259) as it is looked into: whether a text is JSON, and the value of a member. Nothing is built: a value is the span of its bytes.
#
# Strict: UTF-8, no control character in strings, no lone surrogate, no number that a double cannot hold, no nesting deeper than JSON_DEPTH.
# As the reader behind Envoy's filters, it takes a byte order mark in front, takes NUL for the end, and refuses whole numbers between 2^63 and
# 2^64.
# The functions after json_valid take spans of a text that has passed it. Any thread; owns nothing.
from libc.stdint cimport uint8_t

from meshcore.base.arena cimport Arena
from meshcore.base.span cimport Span

cdef enum:
    JSON_DEPTH = 256

cdef enum JsonKind:
    JSON_NULL
    JSON_BOOL
    JSON_INTEGER                   # a number without fraction and exponent, of 64 bits with its sign
    JSON_NUMBER
    JSON_STRING
    JSON_OBJECT
    JSON_ARRAY

cdef bint json_valid(Span text, Span *value) noexcept nogil                   # `value`: without what stands around it
cdef uint8_t json_kind(Span value) noexcept nogil                             # JsonKind
cdef bint json_member(Span parent, Span key, Span *value) noexcept nogil      # the last of that name. False: none, or no object
cdef double json_number(Span value) noexcept nogil
cdef Span json_string(Span value, Arena *arena) noexcept nogil                # unescaped, in the arena unless it has no escapes. NULL: no memory
