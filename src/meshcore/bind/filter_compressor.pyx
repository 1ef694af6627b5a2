"""Settings of the compressor; see filter_compressor.pxd."""
from dataclasses import replace

from libc.stdint cimport uint16_t, uint32_t
from libc.string cimport memcpy

from meshcore.bind.filter_scope cimport FilterScope, nearest
from meshcore.bind.load_balancer cimport keep_all
from meshcore.bind.stats cimport Layout
from meshcore.filter.compressor cimport ACCEPT_STATS, COMPRESSED_STATS, CompressorConf

from meshcore.bind import filter_stats

cdef Layout compressed_layout = Layout(filter_stats.COMPRESSED)
cdef Layout accept_layout = Layout(filter_stats.COMPRESSOR_ACCEPT)
cdef Layout both_layout = Layout(filter_stats.COMPRESSED + filter_stats.COMPRESSOR_ACCEPT)


cdef void *compile_compressor(FilterScope scope, tuple specs) except NULL:
    cdef CompressorConf *conf = <CompressorConf *>scope.room(sizeof(CompressorConf))
    cdef uint32_t both[COMPRESSED_STATS + ACCEPT_STATS]
    spec = nearest(specs)
    if scope.own is not None:
        kept = scope.own.remove_accept_encoding if spec.remove_accept_encoding is None else spec.remove_accept_encoding
        spec = replace(scope.own, disabled=spec.disabled, remove_accept_encoding=kept)
    conf.disabled = spec.disabled
    conf.drops_accept = bool(spec.remove_accept_encoding)
    prefix = f"{scope.prefix}compressor.{spec.library}.gzip."
    if spec.stats_of_response:
        scope.stats(f"{prefix}response.", compressed_layout, COMPRESSED_STATS, conf.stats)
        scope.stats(prefix, accept_layout, ACCEPT_STATS, conf.accept_stats)
    else:
        scope.stats(prefix, both_layout, COMPRESSED_STATS + ACCEPT_STATS, both)
        memcpy(conf.stats, both, sizeof(conf.stats))
        memcpy(conf.accept_stats, &both[<int>COMPRESSED_STATS], sizeof(conf.accept_stats))
    scope.stats(f"{prefix}request.", compressed_layout, COMPRESSED_STATS, conf.request_stats)
    conf.enabled = spec.enabled.value
    conf.enabled_cell = scope.cell(spec.enabled.key)
    conf.least = spec.min_content_length
    conf.not_with_etag = spec.disable_on_etag
    conf.types = keep_all(scope.arena, spec.content_types)
    conf.types_len = len(spec.content_types)
    conf.statuses = <uint16_t *>scope.room(sizeof(uint16_t) * len(spec.uncompressible_codes))
    conf.statuses_len = len(spec.uncompressible_codes)
    for i, code in enumerate(spec.uncompressible_codes):
        conf.statuses[<int>i] = code
    conf.gzip.level = spec.level
    conf.gzip.strategy = spec.strategy
    conf.gzip.window_bits = spec.window_bits
    conf.gzip.memory_level = spec.memory_level
    return conf
