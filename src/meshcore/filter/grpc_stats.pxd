# gRPC statistics: counts calls and messages of each method below cluster.<name>.grpc. Worker thread.
#
# Which methods have names of their own the settings say: all, those of a list, or none; the others are counted together. Only watches.
from libc.stdint cimport uint32_t

from meshcore.base.span cimport Span
from meshcore.filter.http cimport HttpFilterOps

cdef struct GrpcMethod:
    Span service                   # empty: no method is in this place
    Span method

cdef struct GrpcStatsConf:
    bint every_method
    bint times                     # enable_upstream_stats
    bint shows                     # emit_filter_state
    bint undotted                  # replace_dots_in_grpc_service_name; of every_method alone
    GrpcMethod *methods            # open addressing by method_hash; NULL: none are listed
    uint32_t places                # a power of two, at least twice as many as there are methods

cdef uint32_t grpc_method_hash(Span service, Span method) noexcept nogil
cdef const HttpFilterOps *grpc_stats_filter() noexcept nogil
