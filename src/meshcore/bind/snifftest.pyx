"""Test face of what is read from a connection's first bytes: ClientHello, HTTP, PROXY headers. Main thread."""
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from meshcore.base.span cimport Span
from meshcore.bind.address cimport address_fill
from meshcore.io.proxy_protocol cimport PROXY_HEADER_MAX, ProxyHeader, proxy_header_parse, proxy_header_write
from meshcore.codec.sniff cimport HELLO_MAX, ClientHello, HttpKind, sniff_http, sniff_protocol, sniff_tls
from meshcore.observe.record cimport ADDRESS_TEXT, IpAddress, address_write

ANSWERS = ("more", "found", "other", "too large")
HTTP_KINDS = ("http/1.0", "http/1.1", "http/2")
PROXY_ANSWERS = ("more", "found", "none", "bad")


cdef char *exactly(bytes data) except NULL:
    # A block of that size and no more, so that a sanitizer sees the first byte beyond.
    cdef char *block = <char *>malloc(len(data) or 1)
    if block == NULL:
        raise MemoryError
    memcpy(block, <const char *>data, len(data))
    return block


def tls(bytes data):
    """(answer, server name, protocols)."""
    cdef char room[HELLO_MAX]
    cdef ClientHello hello
    cdef Span one
    cdef char *block = exactly(data)
    cdef int answer = sniff_tls(block, len(data), room, &hello)
    name = hello.server_name.at[:hello.server_name.len] if hello.server_name.len else b""
    protocols = []
    while sniff_protocol(&hello.protocols, &one):
        protocols.append(one.at[:one.len])
    free(block)
    return ANSWERS[answer], name, tuple(protocols)


def http(bytes data):
    """(answer, version)."""
    cdef HttpKind kind = HttpKind.HTTP_1_0
    cdef char *block = exactly(data)
    cdef int answer = sniff_http(block, len(data), &kind)
    free(block)
    return ANSWERS[answer], HTTP_KINDS[<int>kind] if answer == 1 else ""


cdef str text_of(const IpAddress *address):
    cdef char room[ADDRESS_TEXT]
    return room[:address_write(address, room, True)].decode() if address.family else ""


def proxy_header(bytes data):
    """(answer, version, source, destination, length); no addresses where the header names none."""
    cdef ProxyHeader header
    cdef char *block = exactly(data)
    cdef int answer = proxy_header_parse(block, len(data), &header)
    free(block)
    if answer != 1:
        return PROXY_ANSWERS[answer], 0, "", "", 0
    return PROXY_ANSWERS[answer], header.version, text_of(&header.source), text_of(&header.destination), header.len


def write_proxy_header(int version, source, destination):
    """The header of that version."""
    cdef char room[PROXY_HEADER_MAX]
    cdef IpAddress addresses[2]
    address_fill(source, &addresses[0])
    address_fill(destination, &addresses[1])
    return room[:proxy_header_write(version, &addresses[0], &addresses[1], room)]
