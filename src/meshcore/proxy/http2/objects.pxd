# The objects of HTTP/2, beside those of proxy/objects. One worker's thread.
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from meshcore.base.wheel cimport Timer
from meshcore.codec.http2 cimport Http2Session
from meshcore.io.transport cimport FLUSH_LATE, Transport, transport_flush, transport_flush_late
from meshcore.proxy.objects cimport Downstream, Upstream

cdef enum Http2DownState:
    # One value per thing that a client may still do (RFC 9113, 6.8).
    HTTP2_DOWN_OPEN                # open streams
    HTTP2_DOWN_NOTICED             # it was told to stop; what it has sent in the meantime is served
    HTTP2_DOWN_LEAVING             # it was told which stream is the last: the connection ends with those that are here
    HTTP2_DOWN_CLOSING             # nothing is left to be sent; waits for its FIN (delayed close)
    HTTP2_DOWN_CLOSED              # the transport is closing
    HTTP2_DOWN_STATES

cdef struct Http2Downstream:
    Downstream base                # must be first
    Http2Session session
    uint8_t state                  # Http2DownState
    bint local_close
    bint end_seen                  # the client sent FIN
    bint ping_out                  # a keep-alive ping waits for its answer
    uint32_t live                  # streams that have not ended
    uint32_t early_resets          # streams that the client reset before they had lived for long
    uint32_t ended                 # streams in all that have ended
    uint64_t idle_ns               # since when there is no stream
    uint64_t heard_ns              # when the last bytes came
    uint64_t unsent                # closing: bytes that waited when it was last looked at
    Timer timer                    # idle timeout, greatest age, end of a drain, delayed close, by state
    Timer keepalive

cdef struct Http2Upstream:
    Upstream base                  # must be first
    Http2Session session
    bint ping_out                  # a keep-alive ping waits for its answer
    uint64_t heard_ns              # when the last bytes came
    Timer keepalive

cdef inline void http2_flush(Http2Session *session, Transport *transport) noexcept nogil:
    # What one turn of the loop wrote for a connection leaves in one system call, unless it is bytes that end with this event.
    if session.borrowing != NULL:
        transport_flush(transport)
    else:
        transport_flush_late(transport)
        session.late = transport.dirty == FLUSH_LATE
