# How a TCP proxy asks HTTP hosts to carry its bytes (TunnelingConfig). Immutable, in the listener's table.
from meshcore.base.span cimport Span
from meshcore.observe.format cimport Format
from meshcore.route.mutation cimport Mutation

cdef struct TunnelConf:
    const Format *host             # the authority that is asked for
    bint post                      # POST in place of CONNECT
    Span path                      # of a POST
    const Mutation *mutation       # of the request's headers; NULL: none
