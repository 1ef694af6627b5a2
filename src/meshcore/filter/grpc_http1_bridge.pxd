# gRPC for clients of HTTP/1: what trailers say of a call goes into the head, and the body is counted. Worker thread.
#
# A client of HTTP/1 that asks in gRPC gets its answer whole: 200, or 503 where grpc-status is not 0, with the status, the message and a
# content-length. Where the settings say so, a request in Protobuf becomes gRPC (a frame around its message, and off the answer's), and the
# host does not see the query. Requests of other versions pass; only their content-type changes.
from meshcore.filter.http cimport HttpFilterOps

cdef struct GrpcBridgeConf:
    bint upgrades                  # upgrade_protobuf_to_grpc
    bint drops_query               # ignore_query_parameters

cdef const HttpFilterOps *grpc_http1_bridge_filter() noexcept nogil
