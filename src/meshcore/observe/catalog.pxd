# Catalog: the names of all operators, what arguments each takes, and which step each compiles to.
#
# Filled when the module is imported, read-only afterwards; the only reader is parse.pyx, on the main thread.
from libc.stdint cimport uint8_t

from meshcore.base.span cimport Span
from meshcore.observe.operator cimport Operator

cdef enum ArgumentRule:
    ARGUMENT_NONE                  # refused when given
    ARGUMENT_OPTIONAL
    ARGUMENT_REQUIRED

cdef enum ArgumentGrammar:
    # What parse.pyx does with the text between the parentheses.
    GRAMMAR_NONE
    GRAMMAR_TIME                   # a time pattern
    GRAMMAR_DURATION               # POINT:POINT[:ms|us|ns]
    GRAMMAR_HEADER                 # NAME[?NAME]
    GRAMMAR_HEADER_WITHOUT_QUERY
    GRAMMAR_PARAMETER              # the name of a query parameter
    GRAMMAR_PATH                   # [WQ|NQ][:ORIG|PATH|ORIG_OR_PATH]
    GRAMMAR_QUERY                  # [ORIG|DECODED]
    GRAMMAR_DETAILS                # [ALLOW_WHITESPACES]
    GRAMMAR_GRPC                   # [CAMEL_STRING|SNAKE_STRING|NUMBER]
    GRAMMAR_PREFIX                 # bits of a network
    GRAMMAR_ENVIRONMENT            # the name of a variable
    GRAMMAR_HOSTNAME
    GRAMMAR_XFCC                   # an element of x-forwarded-client-cert
    GRAMMAR_COALESCE               # JSON: the operators to try
    GRAMMAR_DYNAMIC                # NAMESPACE[:KEY...]
    GRAMMAR_METADATA               # SOURCE:...
    GRAMMAR_FILTER_STATE           # KEY[:PLAIN|TYPED|FIELD:NAME]
    GRAMMAR_FREE                   # accepted; the operator never has a value here
    GRAMMAR_REFUSED                # Envoy has it, this program does not

cdef struct Entry:
    Span name
    uint8_t argument               # ArgumentRule
    uint8_t grammar                # ArgumentGrammar
    bint length                    # ":N" may follow
    Operator step                  # what it compiles to before the argument is looked at

cdef const Entry *catalog_find(Span name) noexcept nogil           # NULL: no such operator
cdef Span catalog_nearest(Span name) noexcept nogil                # the most similar name; empty when none is similar
cdef int catalog_time_point(Span name) noexcept nogil              # offset in Record of a COMMON_DURATION point; -1: not known
