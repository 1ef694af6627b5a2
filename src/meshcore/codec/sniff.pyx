"""Sniff; see sniff.pxd for the law.

A ClientHello (RFC 8446, 4.1.2) lies in handshake records (5.1), perhaps in several. It is judged when it is complete; one whose inner lengths
do not fit is no ClientHello. The request line of HTTP/1 is judged when its end is there, and a method as soon as it cannot be one.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memchr, memcmp, memcpy, memset

from meshcore.base.span cimport span

cdef enum:
    RECORD_HEAD = 5
    RECORD_MAX = 16384
    RECORD_HANDSHAKE = 22
    HANDSHAKE_HEAD = 4
    CLIENT_HELLO = 1
    EXTENSION_SERVER_NAME = 0
    EXTENSION_ALPN = 16
    METHOD_MAX = 20
    PREFACE_LEN = 24

cdef const char *PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

cdef struct Reader:
    # A part of the message; `ok` is lost for good when something does not fit.
    const uint8_t *at
    size_t left
    bint ok


# --- TLS ------------------------------------------------------------------------------------------------------------


cdef uint32_t number(Reader *reader, int width) noexcept nogil:
    cdef uint32_t value = 0
    cdef int i
    if not reader.ok or reader.left < <size_t>width:
        reader.ok = False
        return 0
    for i in range(width):
        value = value << 8 | reader.at[i]
    reader.at += width
    reader.left -= <size_t>width
    return value


cdef Reader part(Reader *reader, size_t n) noexcept nogil:
    cdef Reader inner
    inner.ok = reader.ok and reader.left >= n
    inner.at = reader.at
    inner.left = n if inner.ok else 0
    reader.ok = inner.ok
    if inner.ok:
        reader.at += n
        reader.left -= n
    return inner


cdef bint read_name(Reader *names, ClientHello *hello) noexcept nogil:
    # RFC 6066, 3: the first host_name of the list.
    cdef Reader list = part(names, number(names, 2))
    cdef Reader name
    while list.ok and list.left > 0:
        if number(&list, 1) == 0:
            name = part(&list, number(&list, 2))
            hello.server_name = span(<const char *>name.at, name.left)
            return name.ok and name.left > 0
        part(&list, number(&list, 2))
    return list.ok and names.ok


cdef void read_protocols(Reader *reader, ClientHello *hello) noexcept nogil:
    # RFC 7301, 3.1: at least one name, none of them empty.
    cdef Reader list = part(reader, number(reader, 2))
    cdef Span names = span(<const char *>list.at, list.left)
    cdef Reader name
    if not list.ok or list.left == 0 or reader.left > 0:
        return
    while list.ok and list.left > 0:
        name = part(&list, number(&list, 1))
        if name.left == 0:
            return
    if list.ok:
        hello.protocols = names


cdef bint read_hello(const uint8_t *at, size_t n, ClientHello *hello) noexcept nogil:
    cdef Reader body
    cdef Reader extensions
    cdef Reader one
    cdef uint32_t kind
    body.at = at
    body.left = n
    body.ok = True
    part(&body, 2 + 32)            # version, random
    part(&body, number(&body, 1))  # session
    part(&body, number(&body, 2))  # ciphers
    part(&body, number(&body, 1))  # compression
    if not body.ok or body.left == 0:
        return body.ok
    extensions = part(&body, number(&body, 2))
    while extensions.ok and extensions.left > 0:
        kind = number(&extensions, 2)
        one = part(&extensions, number(&extensions, 2))
        if not one.ok:
            return False
        if kind == EXTENSION_SERVER_NAME and not read_name(&one, hello):
            hello.other = NOT_HELLO_EXTENSION
            return False
        if kind == EXTENSION_ALPN:
            read_protocols(&one, hello)    # as in Envoy, wrong ones are left to the handshake
    return extensions.ok and body.ok


cdef int other(ClientHello *hello, uint8_t why) noexcept nogil:
    hello.other = why
    return SNIFF_OTHER


cdef int other_record(const uint8_t *at, size_t n, ClientHello *hello) noexcept nogil:
    # Not even the head of a record, as a library of TLS would name it.
    if memcmp(at, b"GET ", 4) == 0 or memcmp(at, b"POST ", 5) == 0 or memcmp(at, b"HEAD ", 5) == 0 or memcmp(at, b"PUT ", 4) == 0:
        return other(hello, NOT_HELLO_HTTP)
    if memcmp(at, b"CONNE", 5) == 0:
        return other(hello, NOT_HELLO_PROXY)
    if at[1] != 3:
        return other(hello, NOT_HELLO_VERSION)
    return other(hello, NOT_HELLO_LENGTH if (<size_t>at[3] << 8 | at[4]) > RECORD_MAX else NOT_HELLO_RECORD)


cdef int sniff_tls(const char *at, size_t n, char *room, ClientHello *hello) noexcept nogil:
    cdef const uint8_t *bytes = <const uint8_t *>at
    cdef const uint8_t *message = NULL      # in place while there is one record
    cdef size_t have = 0
    cdef size_t wanted = HANDSHAKE_HEAD
    cdef size_t size
    memset(hello, 0, sizeof(ClientHello))
    while have < wanted:
        if n < RECORD_HEAD:
            return SNIFF_MORE
        size = <size_t>bytes[3] << 8 | bytes[4]
        if bytes[0] != RECORD_HANDSHAKE or bytes[1] != 3 or size == 0 or size > RECORD_MAX:
            return other_record(bytes, n, hello)
        bytes += RECORD_HEAD
        n -= RECORD_HEAD
        if message == NULL:
            message = bytes
        else:
            if have + size > HELLO_MAX:
                return SNIFF_TOO_LARGE
            if message != <const uint8_t *>room:
                memcpy(room, message, have)
                message = <const uint8_t *>room
            memcpy(room + have, bytes, size if size < n else n)
        have += size if size < n else n
        if have >= 1 and message[0] != CLIENT_HELLO:
            return other(hello, NOT_HELLO_MESSAGE)
        if have >= HANDSHAKE_HEAD:
            wanted = HANDSHAKE_HEAD + (<size_t>message[1] << 16 | <size_t>message[2] << 8 | message[3])
            if wanted > HELLO_MAX:
                return SNIFF_TOO_LARGE
        if size > n and have < wanted:
            return SNIFF_MORE
        n -= size if size < n else n
        bytes += size
    hello.size = <size_t>(bytes - <const uint8_t *>at)
    if read_hello(message + HANDSHAKE_HEAD, wanted - HANDSHAKE_HEAD, hello):
        return SNIFF_FOUND
    return other(hello, hello.other if hello.other else NOT_HELLO_PARTS)


cdef bint sniff_protocol(Span *rest, Span *protocol) noexcept nogil:
    cdef uint32_t n
    if rest.len < 2:
        return False
    n = <uint8_t>rest.at[0]
    if n + 1 > rest.len:
        return False
    protocol[0] = span(rest.at + 1, n)
    rest[0] = span(rest.at + 1 + n, rest.len - 1 - n)
    return True


# --- HTTP -----------------------------------------------------------------------------------------------------------


cdef inline bint is_token(char c) noexcept nogil:
    return 65 <= c <= 90 or 97 <= c <= 122 or 48 <= c <= 57 or c == 45 or c == 95


cdef int sniff_http(const char *at, size_t n, HttpKind *kind) noexcept nogil:
    # The preface decides as soon as a byte differs; a request line when its end is there.
    cdef const char *end
    cdef size_t len
    cdef size_t i = 0
    if memcmp(at, PREFACE, n if n < PREFACE_LEN else PREFACE_LEN) == 0:
        kind[0] = HTTP_2
        return SNIFF_FOUND if n >= PREFACE_LEN else SNIFF_MORE
    while i < n and at[i] != 32:
        if i == METHOD_MAX or not is_token(at[i]):
            return SNIFF_OTHER
        i += 1
    end = <const char *>memchr(at, 10, n)
    if end == NULL:
        return SNIFF_MORE
    len = <size_t>(end - at)
    if len > 0 and at[len - 1] == 13:
        len -= 1
    if i == 0 or len < i + 11 or memcmp(at + len - 9, b" HTTP/1.", 8) != 0:
        return SNIFF_OTHER
    kind[0] = HTTP_1_1 if at[len - 1] == 49 else HTTP_1_0
    return SNIFF_FOUND if at[len - 1] == 49 or at[len - 1] == 48 else SNIFF_OTHER
