"""Words for what is no ClientHello; see not_hello.pxd for the law."""
from libc.stdint cimport uint8_t
from libc.string cimport memset

from meshcore.base.span cimport Span, span
from meshcore.codec.sniff cimport NOT_HELLO_KINDS
from meshcore.observe.metadata cimport META_STRUCT, META_TEXT, Metadata, MetaItem

REASONS = (
    "", "1000009c:HTTP_REQUEST", "1000009b:HTTPS_PROXY_REQUEST", "100000f7:WRONG_VERSION_NUMBER", "100000e1:UNEXPECTED_RECORD",
    "10000092:ENCRYPTED_LENGTH_TOO_LONG", "100000df:UNEXPECTED_MESSAGE", "10000083:CLIENTHELLO_PARSE_FAILED",
    "10000095:ERROR_PARSING_EXTENSION",
)
WORDS = ("ClientHelloNotDetected", "ClientHelloTooLarge")

cdef Span[9] reasons
cdef MetaItem[2] members
cdef MetaItem[2] namespaces
_texts = [
    f"TLS_error|error:{one.split(':')[0]}:SSL routines:OPENSSL_internal:{one.split(':')[1]}:TLS_error_end".encode() for one in REASONS[1:]
]
_words = [word.encode() for word in WORDS]         # the bytes that the constants point into


cdef _fill():
    assert len(REASONS) == NOT_HELLO_KINDS
    for i in range(1, NOT_HELLO_KINDS):
        reasons[i] = span(_texts[i - 1], len(_texts[i - 1]))
    memset(members, 0, sizeof(members))
    memset(namespaces, 0, sizeof(namespaces))
    for i in range(2):
        members[i].key = span(b"failure_reason", 14)
        members[i].value.kind = META_TEXT
        members[i].value.text = span(_words[i], len(_words[i]))
        namespaces[i].key = span(b"envoy.filters.listener.tls_inspector", 36)
        namespaces[i].value.kind = META_STRUCT
        namespaces[i].value.items = &members[i]


_fill()


cdef Span not_hello_reason(uint8_t other) noexcept nogil:
    return reasons[other] if other < NOT_HELLO_KINDS else span(NULL, 0)


cdef Metadata not_hello_metadata(uint8_t other, bint too_large) noexcept nogil:
    cdef Metadata found
    found.namespaces = NULL
    if other or too_large:
        found.namespaces = &namespaces[1 if too_large else 0]
    return found
