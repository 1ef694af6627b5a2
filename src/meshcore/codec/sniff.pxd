# Sniff: what the first bytes of a connection are, without taking any: a TLS ClientHello with its name and protocols, or HTTP.
#
# Bytes in, an answer out, no I/O and no memory of earlier calls: whoever reads gathers the bytes and asks again with more of them. Spans point
# into what was given, or into `room` where the message came in several records. Leaf code, any thread.
from meshcore.base.span cimport Span

cdef enum Sniffed:
    SNIFF_MORE                     # cannot be told yet
    SNIFF_FOUND
    SNIFF_OTHER                    # something else
    SNIFF_TOO_LARGE                # a ClientHello that does not fit

cdef enum HttpKind:
    HTTP_1_0
    HTTP_1_1
    HTTP_2                         # the preface of a client that knows

cdef enum:
    HELLO_MAX = 16 * 1024          # bytes of a ClientHello that are looked at

cdef struct ClientHello:
    Span server_name               # as it was sent; empty: none
    Span protocols                 # ALPN: a length before each name; empty: none

cdef int sniff_tls(const char *at, size_t n, char *room, ClientHello *hello) noexcept nogil      # `room` has HELLO_MAX bytes
cdef int sniff_http(const char *at, size_t n, HttpKind *kind) noexcept nogil
cdef bint sniff_protocol(Span *rest, Span *protocol) noexcept nogil                # the next name of ClientHello.protocols; False: no more
