# Decompressor: bodies that come as gzip go on as they were before, requests and responses. Worker thread.
#
# A head with gzip as the first of its codings decides; hosts are told that gzip is welcome. Each piece goes on as it comes. What is no gzip
# is counted, and goes on as far as it could be read, as in Envoy.
from libc.stdint cimport uint32_t

from meshcore.base.runtime cimport RuntimeCell
from meshcore.codec.gunzip cimport GUNZIP_RESULTS, GunzipSettings
from meshcore.filter.http cimport HttpFilterOps

cdef enum:                         # DecompressedStat: http.<stat_prefix>.decompressor.<library>.gzip.{request,response}.*
    DECOMPRESSED
    NOT_DECOMPRESSED
    UNPACKED_BYTES                 # total_uncompressed_bytes
    PACKED_BYTES
    DECOMPRESSED_STATS

cdef struct Direction:
    uint32_t stats[DECOMPRESSED_STATS]
    bint enabled
    const RuntimeCell *enabled_cell
    bint despite_no_transform

cdef struct DecompressorConf:
    Direction request
    Direction response
    bint advertises                # to hosts, in accept-encoding
    uint32_t errors[GUNZIP_RESULTS]         # counters by GunzipResult; none for GUNZIP_OK
    GunzipSettings gzip

cdef const HttpFilterOps *decompressor_filter() noexcept nogil
