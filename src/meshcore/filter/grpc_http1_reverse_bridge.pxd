# Calls of gRPC clients for hosts that know no gRPC: content types change places, and the status goes into trailers. Worker thread.
#
# With `withholds` the host sees the message without its frame and its answer gets one: for that the answer is gathered, up to the buffer
# limit, unless a header of the host says how long it will be. An answer of another content type is an error to the client.
from meshcore.base.span cimport Span
from meshcore.filter.http cimport HttpFilterOps

cdef struct ReverseBridgeConf:
    Span type                      # of content, to and from the host
    bint withholds                 # withhold_grpc_frames
    Span size_header               # response_size_header in lower case; empty: none
    bint disabled                  # on a route

cdef const HttpFilterOps *grpc_http1_reverse_bridge_filter() noexcept nogil
