# Origin: the client in whose name a host is dialled, where a host can tell: by the address that packets come from (original_src), by the
# PROXY header that comes first, or by the name that TLS asks for. A connection made so serves nobody else: pools of such connections have
# an Origin.
#
# Owned by the pool or the caller's stack; its texts point into what the client's connection or stream keeps, or are the pool's own. Worker
# thread.
from libc.stdint cimport uint32_t, uint64_t

from meshcore.base.span cimport Span
from meshcore.cluster.host cimport Host
from meshcore.conf.dial cimport Dial
from meshcore.conf.proxy_out cimport ProxyOut
from meshcore.conf.tls cimport TlsNames
from meshcore.io.transport cimport Transport
from meshcore.observe.record cimport IpAddress

cdef struct Origin:
    IpAddress bind                 # family 0: the host sees our own address
    uint32_t mark
    IpAddress source               # for the PROXY header; family 0: it speaks of this connection alone
    IpAddress destination
    Span tlvs
    uint64_t client                # id of the client's connection that has it for itself; 0: whoever comes from there
    Span sni                       # asked for in the TLS handshake; empty: as the cluster says
    Span san                       # what the host's certificate must be for; empty: anything

cdef uint64_t origin_hash(const Origin *origin) noexcept nogil
cdef bint origin_equal(const Origin *a, const Origin *b) noexcept nogil
cdef Origin *origin_copy(const Origin *origin) noexcept nogil                 # in one block, for free(); NULL: no memory
cdef TlsNames origin_names(const Origin *origin, const Host *host) noexcept nogil             # NULL: nobody's
cdef const Dial *origin_dial(const Origin *origin, const Dial *dial, Dial *room) noexcept nogil        # `room` may be used for it
cdef void origin_say(const Origin *origin, const ProxyOut *says, Transport *transport) noexcept nogil  # the PROXY header; NULL: nobody's
