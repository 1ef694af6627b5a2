# Sniff: what the first bytes of a connection are, without taking any: a TLS ClientHello with its name and protocols, or HTTP.
#
# Bytes in, an answer out, no I/O and no memory of earlier calls: whoever reads gathers the bytes and asks again with more of them. Spans point
# into what was given, or into `room` where the message came in several records. Leaf code, any thread.
from libc.stdint cimport uint8_t

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

cdef enum NotHello:
    # Why it is something else; codec-neutral, who logs it has the words.
    NOT_HELLO_HTTP = 1             # a request of HTTP/1
    NOT_HELLO_PROXY                # CONNECT
    NOT_HELLO_VERSION              # the record's version is none of TLS, or there is no record
    NOT_HELLO_RECORD               # a record of another kind
    NOT_HELLO_LENGTH               # a record longer than any
    NOT_HELLO_MESSAGE              # a handshake message of another kind
    NOT_HELLO_PARTS                # its inner lengths do not fit
    NOT_HELLO_EXTENSION            # those of an extension do not
    NOT_HELLO_KINDS

cdef struct ClientHello:
    uint8_t other                  # NotHello, of what is SNIFF_OTHER
    size_t size                    # bytes of the connection that it took
    Span server_name               # as it was sent; empty: none
    Span protocols                 # ALPN: a length before each name; empty: none

cdef int sniff_tls(const char *at, size_t n, char *room, ClientHello *hello) noexcept nogil      # `room` has HELLO_MAX bytes
cdef int sniff_http(const char *at, size_t n, HttpKind *kind) noexcept nogil
cdef bint sniff_protocol(Span *rest, Span *protocol) noexcept nogil                # the next name of ClientHello.protocols; False: no more
