# IP tagging: names of the address ranges that hold the client, for the host and for routes. Worker thread.
#
# Ranges may lie in one another. They are laid side by side when they are compiled, each piece with the names of all that hold it, so a
# million of them cost one binary search.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from meshcore.base.runtime cimport RuntimeFraction
from meshcore.base.span cimport Span
from meshcore.filter.http cimport HttpFilterOps

cdef enum:                         # TagStat: http.<stat_prefix>.ip_tagging.*
    TAG_NO_HIT
    TAG_TOTAL
    TAG_STATS

cdef struct TagSet:
    Span text                      # names, joined by commas
    uint32_t *hits                 # a counter of each
    uint16_t hits_len

cdef struct TagPiece:
    uint8_t first[16]              # of its addresses, the bytes of an IPv4 address in front; it ends where the next begins
    const TagSet *tags             # NULL: none

cdef struct TagTable:
    TagPiece *pieces               # ascending
    uint32_t len

cdef struct IpTaggingConf:
    TagTable v4
    TagTable v6
    uint8_t request_type           # RequestType (filter/ratelimit)
    RuntimeFraction enabled
    Span header                    # lower case; empty: x-envoy-ip-tags, which is added to
    bint appends                   # `header` is added to, else replaced or taken away
    uint32_t stats[TAG_STATS]

cdef const HttpFilterOps *ip_tagging_filter() noexcept nogil
