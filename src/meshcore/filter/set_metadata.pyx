"""Set metadata; see set_metadata.pxd for the law."""
from libc.stdint cimport uint8_t, uint16_t

from meshcore.filter.http cimport *
from meshcore.observe.counters cimport stat_inc
from meshcore.observe.metadata cimport meta_merge, metadata_find, metadata_namespace


cdef int on_request_head(HttpStream *stream, uint8_t n, bint end) noexcept nogil:
    cdef const SetMetadataConf *conf = <const SetMetadataConf *>filter_settings(stream, n)
    cdef const MetadataEntry *entry
    cdef MetaValue *into
    cdef uint16_t i
    for i in range(conf.entries_len):
        entry = &conf.entries[i]
        if not entry.overwrites and metadata_find(&stream.record.metadata, entry.namespace, NULL, 0) != NULL:
            stat_inc(stream.stats, conf.stats[SET_METADATA_DENIED])
            continue
        into = metadata_namespace(&stream.record.metadata, stream.arena, entry.namespace)
        if into != NULL:
            meta_merge(into, stream.arena, &entry.value)
    return FILTER_CONTINUE


cdef HttpFilterOps ops
ops.kind = b"envoy.filters.http.set_metadata"
ops.on_request_head = on_request_head
ops.on_request_data = NULL
ops.on_request_trailers = NULL
ops.on_response_head = NULL
ops.on_response_data = NULL
ops.on_response_trailers = NULL
ops.on_log = NULL
ops.on_destroy = NULL


cdef const HttpFilterOps *set_metadata_filter() noexcept nogil:
    return &ops
