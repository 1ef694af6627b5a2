# HTTP/1 field lines: from the parser's spans into a Head, with what the framing headers said on the way.
#
# Called by http1_parse with the block that the parser has accepted and a copy of it in the head's arena; names are lowered and
# folded lines are joined in that copy.
from libc.stdint cimport uint16_t

from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.codec.http1 cimport Http1Message, Http1Options
from meshcore.codec.http1_picohttp cimport phr_header

cdef enum:
    FIELDS_SLACK = 8               # bytes that must be readable after the copy

cdef enum FieldsKind:
    REQUEST_FIELDS                 # Host becomes the authority
    RESPONSE_FIELDS
    TRAILER_FIELDS                 # nothing in them frames anything

cdef struct Http1Fields:
    # What the lines said about framing; http1_fields_error turns it into a verdict.
    uint16_t lines                 # field lines, folded ones counted once
    bint has_host
    bint has_length
    bint bad_length                # several, or not a number
    bint has_coding
    bint bad_coding                # several, or not "chunked"

# `copy` holds the bytes of `block` up to `end`. An Http1Error, HTTP1_NO_ERROR when all lines are in the head.
cdef int http1_take_fields(phr_header *headers, size_t n, const char *block, const char *end, char *copy,
                           const Http1Options *options, int kind, Head *head, Http1Message *message,
                           Http1Fields *fields) noexcept nogil
# Content-Length against Transfer-Encoding (RFC 9112, 6.1 to 6.3), and the number of lines. Drops a Content-Length that chunked overrides.
cdef int http1_fields_error(Http1Fields *fields, const Http1Options *options, Head *head) noexcept nogil
