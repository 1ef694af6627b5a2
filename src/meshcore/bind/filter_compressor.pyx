"""Settings of the compressor and the decompressor; see filter_compressor.pxd."""
from meshcore.bind.record import replace

from libc.stdint cimport uint16_t, uint32_t
from libc.string cimport memcpy

from meshcore.base.buffer cimport CHUNK
from meshcore.bind.filter_scope cimport FilterScope, nearest
from meshcore.bind.load_balancer cimport keep_all
from meshcore.bind.stats cimport Layout
from meshcore.codec.gunzip cimport GUNZIP_BUFFER_ERROR, GUNZIP_DATA_ERROR, GUNZIP_MEMORY_ERROR, GUNZIP_STREAM_ERROR, GUNZIP_VERSION_ERROR
from meshcore.filter.compressor cimport ACCEPT_STATS, COMPRESSED_STATS, CompressedBodies, CompressorConf
from meshcore.filter.decompressor cimport DECOMPRESSED_STATS, DecompressorConf, Direction

from meshcore.bind import filter_stats

cdef Layout compressed_layout = Layout(filter_stats.COMPRESSED)
cdef Layout accept_layout = Layout(filter_stats.COMPRESSOR_ACCEPT)
cdef Layout both_layout = Layout(filter_stats.COMPRESSED + filter_stats.COMPRESSOR_ACCEPT)
cdef Layout decompressed_layout = Layout(filter_stats.DECOMPRESSED)
cdef Layout gunzip_layout = Layout(filter_stats.GUNZIP_ERRORS)
ERRORS = (GUNZIP_STREAM_ERROR, GUNZIP_DATA_ERROR, GUNZIP_MEMORY_ERROR, GUNZIP_BUFFER_ERROR, GUNZIP_VERSION_ERROR)


cdef int fill_bodies(FilterScope scope, object spec, CompressedBodies *out) except -1:
    out.enabled = spec.enabled.value
    out.enabled_cell = scope.cell(spec.enabled.key)
    out.least = spec.min_content_length
    out.types = keep_all(scope.arena, spec.content_types)
    out.types_len = len(spec.content_types)
    return 0


cdef int name_stats(FilterScope scope, object spec, CompressorConf *conf) except -1:
    cdef uint32_t both[COMPRESSED_STATS + ACCEPT_STATS]
    prefix = f"{scope.prefix}compressor.{spec.library}.gzip."
    if spec.stats_of_response:
        scope.stats(f"{prefix}response.", compressed_layout, COMPRESSED_STATS, conf.response.stats)
        scope.stats(prefix, accept_layout, ACCEPT_STATS, conf.accept_stats)
    else:
        scope.stats(prefix, both_layout, COMPRESSED_STATS + ACCEPT_STATS, both)
        memcpy(conf.response.stats, both, sizeof(conf.response.stats))
        memcpy(conf.accept_stats, &both[<int>COMPRESSED_STATS], sizeof(conf.accept_stats))
    scope.stats(f"{prefix}request.", compressed_layout, COMPRESSED_STATS, conf.request.stats)
    return 0


cdef void *compile_compressor(FilterScope scope, tuple specs) except NULL:
    cdef CompressorConf *conf = <CompressorConf *>scope.room(sizeof(CompressorConf))
    spec = nearest(specs)
    if scope.own is not None:
        kept = scope.own.remove_accept_encoding if spec.remove_accept_encoding is None else spec.remove_accept_encoding
        spec = replace(scope.own, disabled=spec.disabled, remove_accept_encoding=kept)
    conf.disabled = spec.disabled
    conf.drops_accept = bool(spec.remove_accept_encoding)
    name_stats(scope, spec, conf)
    fill_bodies(scope, spec.request, &conf.request)
    fill_bodies(scope, spec.response, &conf.response)
    conf.not_with_etag = spec.disable_on_etag
    conf.statuses = <uint16_t *>scope.room(sizeof(uint16_t) * len(spec.uncompressible_codes))
    conf.statuses_len = len(spec.uncompressible_codes)
    for i, code in enumerate(spec.uncompressible_codes):
        conf.statuses[<int>i] = code
    conf.gzip.level = spec.level
    conf.gzip.strategy = spec.strategy
    conf.gzip.window_bits = spec.window_bits
    conf.gzip.memory_level = spec.memory_level
    return conf


# --- decompressor -------------------------------------------------------------------------------------------------------


cdef int fill_direction(FilterScope scope, object spec, str prefix, Direction *out) except -1:
    scope.stats(prefix, decompressed_layout, DECOMPRESSED_STATS, out.stats)
    out.enabled = spec.enabled.value
    out.enabled_cell = scope.cell(spec.enabled.key)
    out.despite_no_transform = spec.ignore_no_transform
    return 0


cdef void *compile_decompressor(FilterScope scope, tuple specs) except NULL:
    cdef DecompressorConf *conf = <DecompressorConf *>scope.room(sizeof(DecompressorConf))
    cdef uint32_t errors[5]
    spec = nearest(specs)
    prefix = f"{scope.prefix}decompressor.{spec.library}.gzip."
    fill_direction(scope, spec.request, f"{prefix}request.", &conf.request)
    fill_direction(scope, spec.response, f"{prefix}response.", &conf.response)
    scope.stats(f"{prefix}decompressor_library.", gunzip_layout, len(ERRORS), errors)
    for i, error in enumerate(ERRORS):
        conf.errors[<int>error] = errors[<int>i]
    conf.advertises = spec.advertise_accept_encoding
    conf.gzip.window_bits = spec.window_bits
    conf.gzip.chunk = min(<int>spec.chunk_size, <int>CHUNK)
    conf.gzip.most = spec.max_inflate_ratio
    return conf
