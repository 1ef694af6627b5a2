"""Settings of the gRPC filters; see filter_grpc.pxd."""
from libc.stdint cimport uint32_t

from meshcore.base.span cimport Span
from meshcore.bind.filter_scope cimport FilterScope, nearest
from meshcore.bind.matchers cimport keep
from meshcore.filter.grpc_http1_bridge cimport GrpcBridgeConf
from meshcore.filter.grpc_http1_reverse_bridge cimport ReverseBridgeConf
from meshcore.filter.grpc_stats cimport GrpcMethod, GrpcStatsConf, grpc_method_hash


cdef void *compile_grpc_web(FilterScope scope, tuple specs) except NULL:
    return scope.room(1)           # it has none


cdef void *compile_grpc_bridge(FilterScope scope, tuple specs) except NULL:
    cdef GrpcBridgeConf *conf = <GrpcBridgeConf *>scope.room(sizeof(GrpcBridgeConf))
    spec = specs[0]
    conf.upgrades = spec.upgrade_protobuf
    conf.drops_query = spec.ignore_query
    return conf


cdef void *compile_grpc_reverse_bridge(FilterScope scope, tuple specs) except NULL:
    cdef ReverseBridgeConf *conf = <ReverseBridgeConf *>scope.room(sizeof(ReverseBridgeConf))
    spec = specs[len(specs) - 1]
    conf.type = keep(scope.arena, spec.content_type)
    conf.withholds = spec.withhold_frames
    conf.size_header = keep(scope.arena, spec.size_header)
    conf.disabled = spec.disabled
    return conf


cdef void *compile_grpc_stats(FilterScope scope, tuple specs) except NULL:
    cdef GrpcStatsConf *conf = <GrpcStatsConf *>scope.room(sizeof(GrpcStatsConf))
    cdef Span service, method
    cdef uint32_t at
    spec = nearest(specs)
    conf.every_method = spec.every_method
    conf.times = spec.upstream_times
    conf.undotted = spec.replace_dots
    conf.shows = spec.emit_state
    if not spec.methods:
        return conf
    conf.places = 1 << (2 * len(spec.methods)).bit_length()
    conf.methods = <GrpcMethod *>scope.room(conf.places * sizeof(GrpcMethod))
    for service_name, method_name in spec.methods:
        service, method = keep(scope.arena, service_name), keep(scope.arena, method_name)
        at = grpc_method_hash(service, method)
        while conf.methods[at & (conf.places - 1)].service.len > 0:
            at += 1
        conf.methods[at & (conf.places - 1)].service = service
        conf.methods[at & (conf.places - 1)].method = method
    return conf
