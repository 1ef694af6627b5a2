# Compressor: bodies are compressed with gzip by Envoy's conditions, responses for clients that take it, requests when they are told to be.
# Worker thread.
#
# The head decides: the route and runtime, the length, the type, the status, what the host says of caching and encoding, and accept-encoding
# with its qualities. Each piece of the body is compressed as it comes and goes on at once; the last bytes follow the end.
from libc.stdint cimport uint16_t, uint32_t

from meshcore.base.runtime cimport RuntimeCell
from meshcore.base.span cimport Span
from meshcore.codec.gzip cimport GzipSettings
from meshcore.filter.http cimport HttpFilterOps

cdef enum:                         # CompressedStat: http.<stat_prefix>.compressor.<library>.gzip.*, of requests below `request.`
    COMPRESSED
    NOT_COMPRESSED
    TOTAL_UNCOMPRESSED             # bytes
    TOTAL_COMPRESSED
    CONTENT_TOO_SMALL
    COMPRESSED_STATS

cdef enum:                         # AcceptStat: the same names' rest, of responses alone
    ACCEPT_NO_HEADER
    ACCEPT_IDENTITY                # header_*
    ACCEPT_USED
    ACCEPT_OVERSHADOWED
    ACCEPT_WILDCARD
    ACCEPT_NOT_VALID
    ACCEPT_ETAG                    # not_compressed_etag
    ACCEPT_STATS

cdef struct CompressedBodies:
    # Of one direction.
    uint32_t stats[COMPRESSED_STATS]
    bint enabled
    const RuntimeCell *enabled_cell
    uint32_t least                 # bytes of a body that is worth it
    Span *types                    # of content, without parameters
    uint16_t types_len

cdef struct CompressorConf:
    CompressedBodies request
    CompressedBodies response
    uint32_t accept_stats[ACCEPT_STATS]
    bint disabled                  # on a route: responses stay as they are
    bint drops_accept              # the host does not see accept-encoding
    bint not_with_etag
    uint16_t *statuses             # that stay as they are
    uint16_t statuses_len
    GzipSettings gzip

cdef const HttpFilterOps *compressor_filter() noexcept nogil
