# HTTP/1 request targets: origin, absolute, authority and asterisk form (RFC 9112, 3.2), and the check of the authority.
from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.codec.http1 cimport Http1Message, Http1Options

# head.path holds the target as it came; fills scheme, authority and path. An Http1Error.
cdef int http1_take_target(Head *head, Http1Message *message, const Http1Options *options, bint connect) noexcept nogil
# The bytes are those that a Host may have; says nothing about the shape.
cdef bint http1_authority_valid(Span authority) noexcept nogil
# A URL without user information and fragment, or a relative reference without fragment (RFC 9110, 10.1.3).
cdef bint http1_referer_valid(Span text) noexcept nogil
