# gRPC-Web: calls of browsers as gRPC, and answers back; what trailers say becomes the last frame of the body. Worker thread.
#
# Requests of type application/grpc-web(+proto) or -text(+proto) are concerned, all others pass. A body in text (Base64) is decoded on its
# way in; `accept` says whether the answer is to be text. An answer that is no gRPC becomes a status and a message in its head. Calls are
# counted below cluster.<name>.grpc-web.<service>.<method>.
from meshcore.filter.http cimport HttpFilterOps

cdef const HttpFilterOps *grpc_web_filter() noexcept nogil
