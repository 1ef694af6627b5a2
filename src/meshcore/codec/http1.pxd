# HTTP/1: the words that the three parts of the codec share (http1_parse, http1_body, http1_write).
#
# The codec is bytes in, heads and body spans out; heads in, bytes out. No I/O, no clock, no connection.
#
# The caller keeps what was not consumed and offers it again with more bytes behind it. Parsing is picohttpparser's; after it this
# file decides what is a message (RFC 9112) the way Envoy does. Every error is downstream's or upstream's fault, whoever sent the
# bytes; the caller closes the connection after any of them. One codec value per direction and connection, one thread.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head

cdef enum Http1Result:
    HTTP1_OK
    HTTP1_MORE                     # not enough bytes; nothing was consumed
    HTTP1_ERROR

cdef enum Http1Error:
    # What was wrong; http1_error_status and http1_error_details say how Envoy answers it.
    HTTP1_NO_ERROR
    HTTP1_BAD_SYNTAX               # RFC 9112, 3 to 5: not a start line or a field line
    HTTP1_HEAD_TOO_LARGE
    HTTP1_TOO_MANY_HEADERS
    HTTP1_BAD_TRANSFER_ENCODING    # RFC 9112, 6.1: anything but "chunked" alone
    HTTP1_LENGTH_AND_CHUNKED       # RFC 9112, 6.1: the classic way to smuggle
    HTTP1_BAD_LENGTH               # RFC 9110, 8.6: not a number, or two different ones
    HTTP1_UNDERSCORE               # headers_with_underscores_action REJECT_REQUEST
    HTTP1_BAD_CONNECTION           # Connection names a header that must not be removed
    HTTP1_BAD_URL                  # the absolute form did not parse
    HTTP1_BODY_DISALLOWED          # CONNECT with a body
    HTTP1_BAD_CHUNK                # RFC 9112, 7.1
    HTTP1_BAD_METHOD               # not a method that Envoy knows
    HTTP1_BAD_HOST                 # RFC 9112, 3.2: several Host lines
    HTTP1_BAD_VERSION              # no version, or none that this codec speaks
    HTTP1_INVALID_CHARACTERS       # a control character in the head (RFC 9110, 5.5)
    HTTP1_INVALID_SCHEME           # absolute form with a scheme other than http and https
    HTTP1_BAD_AUTHORITY            # Host with bytes that no host has (RFC 3986, 3.2.2)
    HTTP1_LENGTH_NOT_ALLOWED       # Content-Length in a 1xx or 204 response (RFC 9110, 8.6)
    HTTP1_CODING_NOT_ALLOWED       # Transfer-Encoding there (RFC 9112, 6.1)
    HTTP1_ERRORS                   # how many there are

cdef enum Http1Framing:
    # How the body that follows a head ends (RFC 9112, 6.3).
    BODY_NONE
    BODY_LENGTH
    BODY_CHUNKED
    BODY_UNTIL_CLOSE               # responses only
    BODY_RAW                       # a tunnel: no HTTP after this head

cdef enum Underscores:
    UNDERSCORES_ALLOW
    UNDERSCORES_REJECT
    UNDERSCORES_DROP

cdef struct Http1Options:
    # Immutable, in a table. Names are those of Http1ProtocolOptions and HttpProtocolOptions.
    uint32_t max_head_bytes
    uint16_t max_headers
    uint8_t underscores            # Underscores
    bint allow_chunked_length
    bint allow_custom_methods
    bint allow_absolute_url
    bint enable_trailers
    bint proper_case
    bint preserve_case             # heads that come keep the case of their names
    bint proper_case_added         # then: proper case for the names that are added
    bint forward_reason            # then: the reason phrase goes on

cdef struct Http1Message:
    # What the start line and the framing headers said about one message.
    uint8_t framing                # Http1Framing
    uint8_t error                  # Http1Error
    bint keep_alive                # what the sender wants, by version and Connection / Proxy-Connection
    bint expect_continue
    bint upgrade                   # Connection: upgrade with an Upgrade header
    bint absolute                  # request target in absolute form
    bint wants_trailers            # TE: trailers
    uint64_t length                # BODY_LENGTH
    uint16_t dropped_headers       # dropped for an underscore

cdef enum BodyState:
    # RFC 9112, 7.1, one value per place where input may run out.
    CHUNK_SIZE                     # hex digits of chunk-size
    CHUNK_EXTENSION                # chunk-ext up to CR
    CHUNK_SIZE_LF
    CHUNK_DATA
    CHUNK_DATA_CR
    CHUNK_DATA_LF
    CHUNK_TRAILERS                 # trailer-section, taken as one block
    BODY_COUNTED                   # Content-Length bytes
    BODY_OPEN                      # until close, or raw
    BODY_DONE
    BODY_STATES                    # how many there are

cdef enum BodyEvent:
    EVENT_MORE                     # all input used, the body goes on
    EVENT_BODY                     # `data` holds body bytes; call again
    EVENT_TRAILERS                 # the trailer block was parsed into the head given; the body is done
    EVENT_DONE                     # the body is done
    EVENT_ERROR

cdef struct Http1Body:
    uint8_t state                  # BodyState
    uint8_t error                  # Http1Error
    uint8_t digits                 # of the chunk size seen so far
    uint64_t left                  # bytes left of the chunk or of the counted body
