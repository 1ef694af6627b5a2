# Tunnels over HTTP/2 streams: extended CONNECT (RFC 8441) as the upgrade that HTTP/1 knows, and back; plain CONNECT.
#
# Between the two sides of the proxy a tunnel looks as HTTP/1 writes it: GET with Upgrade and its 101, or CONNECT and its 2xx. Worker thread.
from meshcore.proxy.objects cimport Stream

cdef void http2_tunnel_asked(Stream *stream) noexcept nogil               # the client's head is a CONNECT
cdef void http2_tunnel_agreed(Stream *stream, bint end) noexcept nogil    # sends the head that opens the client's tunnel
cdef bint http2_tunnel_broke(Stream *stream) noexcept nogil                # its end is the upstream's doing (RFC 9113, 8.5)
cdef bint http2_tunnel_opened(Stream *stream) noexcept nogil              # the upstream's head: does it open the tunnel that was asked for?
