# What a TCP proxy's tunnel leaves behind besides bytes: the id of its request (TunnelingConfig.request_id_extension), and the head and the
# trailers of its answer. Immutable, in the listener's table.
from meshcore.base.span cimport Span
from meshcore.conf.tunnel cimport TunnelConf

cdef struct TunnelFacts:
    TunnelConf base                # must be first: what TcpConf.tunnel points to
    Span header                    # of the request; empty: it has no id
    Span key                       # of dynamic metadata, below the TCP proxy's name
    bint keeps_headers             # of the answer, in filter state of the connection; so the next
    bint keeps_trailers
