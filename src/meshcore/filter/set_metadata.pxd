# Set metadata: leaves configured facts in a request's dynamic metadata, for routes, formats and filters behind it. Worker thread.
#
# A namespace that is there already is left alone unless the entry may overwrite; then the two are merged. The values belong to the table.
from libc.stdint cimport uint16_t, uint32_t

from meshcore.base.span cimport Span
from meshcore.filter.http cimport HttpFilterOps
from meshcore.observe.metadata cimport MetaValue

cdef enum:                         # SetMetadataStat: http.<stat_prefix>.set_metadata.*
    SET_METADATA_DENIED            # overwrite_denied
    SET_METADATA_STATS

cdef struct MetadataEntry:
    Span namespace
    bint overwrites
    MetaValue value                # a META_STRUCT

cdef struct SetMetadataConf:
    uint32_t stats[SET_METADATA_STATS]
    MetadataEntry *entries
    uint16_t entries_len

cdef const HttpFilterOps *set_metadata_filter() noexcept nogil
