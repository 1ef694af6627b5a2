# gRPC calls as statistics: which service and method a path names, what is counted of a call, and how many messages have passed.
#
# Names are cluster.<name>.<protocol>.<service>.<method>.*; they come with the requests (observe/late_stats.pxd), so a call whose name finds no
# room is not counted. Used by the gRPC filters, on the worker.
from libc.stdint cimport uint32_t, uint64_t

from meshcore.base.buffer cimport Buffer
from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.filter.http cimport HttpStream
from meshcore.observe.late_stats cimport LateStat

cdef struct GrpcFrames:
    # Where a body stands between its messages: a flag, four bytes of length, and so many bytes.
    uint32_t head                  # bytes of the five that were seen
    uint32_t left                  # of the length, then of the message

cdef bint grpc_path_split(Span path, Span *service, Span *method) noexcept nogil       # /service/method, query apart. False: it is not like that
# What is counted of a call: `protocol` is "grpc" or "grpc-web"; an empty service leaves service and method out. NULL: no cluster, or no room.
cdef const LateStat *grpc_call_stat(HttpStream *stream, Span protocol, Span service, Span method) noexcept nogil
cdef void grpc_charge_status(HttpStream *stream, const LateStat *stat, Head *head) noexcept nogil     # what grpc-status says, if it is there
cdef uint64_t grpc_frames_count(GrpcFrames *frames, const Buffer *data) noexcept nogil  # messages that begin in `data`
