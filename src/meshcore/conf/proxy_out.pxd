# ProxyOut: the PROXY header that a cluster's hosts are sent first on each connection. Immutable, compiled by bind/.
from libc.stdint cimport uint8_t

from meshcore.base.span cimport Span

cdef struct ProxyOut:
    uint8_t version                # 1 or 2
    const uint8_t *passes          # a bit for each type of TLV that goes on as the client's side sent it; NULL: none
    uint8_t adds[32]               # a bit for each type in `added`; they win
    Span added                     # TLVs as they are written
