# Header mutation: the add and remove lists of a route, virtual host, route configuration or weighted cluster, compiled.
#
# Immutable, in the table's arena. Values are formats (observe/format); a literal value costs no copy. One mutation first removes,
# then computes all values from what is left, then overwrites, then adds: so no value sees another one of the same mutation.
# Removed and overwritten headers leave their place; what is written goes to the end of the head, except for the headers that may
# stand once only (`joins`), where an appended value follows the old one behind a comma. A computed value that holds a control character
# is not written: the record says which header that was, and the router answers 503 to such a request.
from libc.stdint cimport uint8_t, uint16_t

from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.observe.format cimport Format
from meshcore.observe.record cimport Record

cdef enum AddAction:
    ADD_APPEND                     # APPEND_IF_EXISTS_OR_ADD
    ADD_IF_ABSENT
    ADD_OVERWRITE                  # OVERWRITE_IF_EXISTS_OR_ADD
    ADD_OVERWRITE_IF_EXISTS

cdef struct HeaderAdd:
    Span name                      # lower case; ":path"-like names and "host" are refused at load
    uint8_t id                     # KnownHeader
    uint8_t action                 # AddAction
    bint keep_empty
    bint joins                     # at most one line of that name
    Span literal                   # when the format has no operators
    const Format *format           # NULL: literal

cdef struct Mutation:
    HeaderAdd *request_add
    HeaderAdd *response_add
    Span *request_remove           # lower case
    Span *response_remove
    uint16_t request_add_len
    uint16_t response_add_len
    uint16_t request_remove_len
    uint16_t response_remove_len

cdef bint mutate_request(const Mutation *mutation, Head *head, Record *record) noexcept nogil     # False: no memory
cdef bint mutate_response(const Mutation *mutation, Head *head, Record *record) noexcept nogil
cdef bint headers_add(const HeaderAdd *adds, uint16_t n, Head *head, Record *record) noexcept nogil     # an add list alone
