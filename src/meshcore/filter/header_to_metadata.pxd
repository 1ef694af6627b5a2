# Header to metadata: leaves values of headers and cookies in a stream's dynamic metadata, where subsets, routes, formats and filters find them.
# Worker thread. Rules run in their order, those of the request on its head, those of the response on its.
from libc.stdint cimport uint8_t, uint16_t

from meshcore.base.span cimport Span
from meshcore.filter.http cimport HttpFilterOps
from meshcore.route.regex cimport Regex

cdef enum FactType:
    FACT_STRING
    FACT_NUMBER
    FACT_PROTOBUF                  # the bytes of a google.protobuf.Value

cdef struct HeaderFact:
    # What is written when a header is there, or when it is not.
    bint set                       # False: nothing
    bint decode                    # the value is Base64
    uint8_t type                   # FactType
    Span namespace
    Span key
    Span value                     # empty: that of the header
    const Regex *regex             # rewrites the header's value; NULL: as it is
    Span substitution

cdef struct HeaderRule:
    Span header                    # lower case; empty: a cookie
    Span cookie
    bint remove                    # the header goes no further
    HeaderFact present
    HeaderFact missing

cdef struct HeaderRules:
    HeaderRule *rules
    uint16_t len

cdef struct HeaderToMetadataConf:
    HeaderRules request
    HeaderRules response

cdef const HttpFilterOps *header_to_metadata_filter() noexcept nogil
