# Tunnels of a TCP proxy: HTTP hosts carry a session's bytes, behind a CONNECT or a POST.
#
# A tunnel is a stream of the engine's own (own_stream, STREAM_TCP): it has the pools, codecs and balancers of any other, and no route,
# filters, retries, timeouts or log. Its tries are the session's: one that is refused or breaks off before the host has agreed is a connect that
# failed. tcp_proxy starts and ends it and gives it the client's bytes; attempts, failures and responses say here what comes of it. Over
# HTTP/2 each direction ends alone; over HTTP/1 the end of one is the end of both, as in Envoy. Worker thread.
from libc.stdint cimport uint8_t

from meshcore.base.span cimport Span
from meshcore.proxy.objects cimport Attempt, Stream, TcpSession

cdef bint tunnel_dial(TcpSession *session) noexcept nogil                     # one try; False: it failed at once
cdef void tunnel_send(TcpSession *session, Span data, bint end) noexcept nogil
cdef void tunnel_pause(TcpSession *session) noexcept nogil                    # the client takes no more for now
cdef void tunnel_resume(TcpSession *session) noexcept nogil
cdef void tunnel_end(TcpSession *session) noexcept nogil                      # the session ends

cdef void tunnel_answered(Attempt *attempt, bint end) noexcept nogil          # the stream's response head is there
cdef void tunnel_data(Attempt *attempt, Span data, bint end) noexcept nogil   # `end`: the last of it
cdef void tunnel_trailers(Attempt *attempt) noexcept nogil                    # the stream's trailers, its last
cdef void tunnel_failed(Stream *stream, uint8_t reason, Span failure) noexcept nogil      # a try is over; reason: ResetReason
cdef void tunnel_unserved(Stream *stream) noexcept nogil                      # no host can be asked
