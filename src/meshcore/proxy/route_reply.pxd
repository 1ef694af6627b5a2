# Route reply: answers that need no cluster. The router asks before it chooses one. Worker thread.
from meshcore.proxy.objects cimport Stream
from meshcore.route.table cimport Route

cdef void route_reply(Stream *stream, Route *route) noexcept nogil                    # a direct response or a redirect
cdef bint route_reply_wants_tls(Stream *stream) noexcept nogil                        # virtual_host.require_tls on a plain connection
cdef void route_reply_tls(Stream *stream) noexcept nogil                              # the same address over https
