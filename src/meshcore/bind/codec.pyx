"""Python face of the HTTP/1 codec: bytes in, events out; heads in, bytes out. `mesh.codec` is its public name.

Owns nothing but a parser's own state (an arena for the head at hand, and the bytes that are not yet a whole head). Must not decide
anything about HTTP: that is codec/. Runs on the caller's thread under the GIL; a parser ends with its object.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t
from libc.string cimport memset

from meshcore.base.arena cimport Arena, BlockPool, arena_fini, arena_init, pool_fini, pool_init
from meshcore.base.span cimport Span, span
from meshcore.codec.head cimport *
from meshcore.codec.http1 cimport *
from meshcore.codec.http1_body cimport body_state_name, http1_body_begin, http1_body_next
from meshcore.codec.http1_parse cimport *
from meshcore.codec.http1_write cimport *

from meshcore.bind.codec_events import Data, End, ProtocolError, RequestHead, ResponseHead, Trailers

cdef enum:
    BLOCKS_KEPT = 4                # arena blocks that a parser keeps between two messages

cdef enum Stage:
    STAGE_HEAD
    STAGE_BODY
    STAGE_BROKEN                   # an error was raised, and will be again

REASONS = {
    HTTP1_BAD_SYNTAX: "not a start line or a field line",
    HTTP1_HEAD_TOO_LARGE: "the head is longer than max_head_bytes",
    HTTP1_TOO_MANY_HEADERS: "the head has more lines than max_headers",
    HTTP1_BAD_TRANSFER_ENCODING: "Transfer-Encoding is not chunked alone",
    HTTP1_LENGTH_AND_CHUNKED: "Content-Length and Transfer-Encoding in one head",
    HTTP1_BAD_LENGTH: "Content-Length is not one decimal number",
    HTTP1_UNDERSCORE: "a header name has an underscore",
    HTTP1_BAD_CONNECTION: "Connection names what must stay, or names too much",
    HTTP1_BAD_URL: "the URL of the request target is not one",
    HTTP1_BODY_DISALLOWED: "CONNECT with a body",
    HTTP1_BAD_CHUNK: "broken chunked coding",
    HTTP1_BAD_METHOD: "unknown method",
    HTTP1_BAD_HOST: "more than one Host line",
    HTTP1_BAD_VERSION: "not an HTTP version that is spoken here",
    HTTP1_INVALID_CHARACTERS: "control characters in the head",
    HTTP1_INVALID_SCHEME: "the scheme of the request target is neither http nor https",
    HTTP1_BAD_AUTHORITY: "Host has bytes that no host has",
    HTTP1_LENGTH_NOT_ALLOWED: "Content-Length in a 1xx or 204 response",
    HTTP1_CODING_NOT_ALLOWED: "Transfer-Encoding in a 1xx or 204 response",
}
FRAMINGS = {BODY_NONE: "none", BODY_LENGTH: "length", BODY_CHUNKED: "chunked", BODY_UNTIL_CLOSE: "until_close", BODY_RAW: "raw"}
UNDERSCORES = {"allow": UNDERSCORES_ALLOW, "reject": UNDERSCORES_REJECT, "drop": UNDERSCORES_DROP}
TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


cdef bytes take_bytes(Span s):
    return PyBytes_FromStringAndSize(s.at, s.len) if s.len > 0 else b""


cdef tuple take_headers(Head *head):
    cdef list out = []
    cdef uint16_t i
    for i in range(head.len):
        if not head.headers[i].dropped:
            out.append((take_bytes(header_name(&head.headers[i])), take_bytes(header_value(&head.headers[i]))))
    return tuple(out)


cdef fill_options(Http1Options *options, max_head_bytes, max_headers, underscores, bint allow_chunked_length,
                  bint allow_custom_methods, bint allow_absolute_url, bint enable_trailers):
    if not 64 <= max_head_bytes <= 8192 * 1024:
        raise ValueError(f"max_head_bytes: {max_head_bytes}, must be 64 to {8192 * 1024}")
    if not 1 <= max_headers <= 1024:
        raise ValueError(f"max_headers: {max_headers}, must be 1 to 1024")
    if underscores not in UNDERSCORES:
        raise ValueError(f"underscores: {underscores!r}, must be one of {', '.join(UNDERSCORES)}")
    memset(options, 0, sizeof(Http1Options))
    options.max_head_bytes = max_head_bytes
    options.max_headers = max_headers
    options.underscores = UNDERSCORES[underscores]
    options.allow_chunked_length = allow_chunked_length
    options.allow_custom_methods = allow_custom_methods
    options.allow_absolute_url = allow_absolute_url
    options.enable_trailers = enable_trailers


cdef class Http1Parser:
    """What RequestParser and ResponseParser share: the bytes at hand, the head at hand, and where in a message it stands."""

    cdef BlockPool pool
    cdef Arena arena
    cdef Head head
    cdef Http1Options options
    cdef Http1Message message
    cdef Http1Body body
    cdef int stage
    cdef bint is_response
    cdef bytearray pending
    cdef size_t seen
    cdef list methods              # of requests whose response is still to come
    cdef tuple broken              # what went wrong; not the exception, whose traceback would hold the parser

    def __cinit__(self):
        pool_init(&self.pool, BLOCKS_KEPT)
        arena_init(&self.arena, &self.pool)
        memset(&self.body, 0, sizeof(Http1Body))
        self.pending = bytearray()
        self.methods = []
        self.stage = STAGE_HEAD
        self.reset()

    def __init__(self, *, max_head_bytes=61440, max_headers=100, underscores="allow", allow_chunked_length=False,
                 allow_custom_methods=False, allow_absolute_url=True, enable_trailers=False):
        fill_options(&self.options, max_head_bytes, max_headers, underscores, allow_chunked_length, allow_custom_methods,
                     allow_absolute_url, enable_trailers)

    def __dealloc__(self):
        arena_fini(&self.arena)
        pool_fini(&self.pool)

    cdef void reset(self) noexcept:
        arena_fini(&self.arena)
        head_init(&self.head, &self.arena, self.is_response)
        self.seen = 0

    def feed(self, data):
        """Takes `data` (any bytes-like object) and returns the list of events that are complete with it.

        Raises ProtocolError, whose `events` hold what came before the error in the same call. Every later call raises it
        again, without events.
        """
        cdef Py_buffer view
        cdef list events = []
        cdef size_t used
        if self.stage == STAGE_BROKEN:
            raise ProtocolError(*self.broken, [])
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            if self.pending:
                self.pending += data
                used = self.run(PyByteArray_AS_STRING(self.pending), len(self.pending), events)
                del self.pending[:used]
            else:
                used = self.run(<const char *>view.buf, view.len, events)
                if used < <size_t>view.len:
                    self.pending += PyBytes_FromStringAndSize(<const char *>view.buf + used, view.len - used)
        finally:
            PyBuffer_Release(&view)
        return events

    def eof(self):
        """Says that the peer has closed. Returns [End()] when that ends the message at hand, [] between two messages.

        Raises ProtocolError in the middle of a message.
        """
        if self.stage == STAGE_BROKEN:
            raise ProtocolError(*self.broken, [])
        if self.stage == STAGE_BODY and self.body.state == BODY_OPEN:
            self.stage = STAGE_HEAD
            self.reset()
            return [End()]
        if self.stage == STAGE_BODY or (self.pending and self.pending.strip(b"\r\n")):
            self.fail(HTTP1_BAD_SYNTAX, [], "the peer closed in the middle of a message")
        return []

    @property
    def state(self):
        """Where it stands: "head", "broken", or the state of the body: "chunk-size", "counted", "open" and so on."""
        if self.stage == STAGE_BODY:
            return body_state_name(self.body.state).decode()
        return "head" if self.stage == STAGE_HEAD else "broken"

    @property
    def live_blocks(self):
        """Blocks of memory that the head at hand holds (for leak checks)."""
        return self.pool.live

    cdef fail(self, uint8_t error, list events, text=None):
        self.stage = STAGE_BROKEN
        self.broken = (http1_error_status(error), take_bytes(http1_error_details(error)).decode(), text or REASONS[error])
        raise ProtocolError(*self.broken, events)

    cdef size_t run(self, const char *start, size_t n, list events) except? 0:
        cdef const char *at = start
        cdef const char *end = start + n
        while at < end:
            if self.stage == STAGE_HEAD:
                if not self.run_head(&at, end, events):
                    break
            elif not self.run_body(&at, end, events):
                break
        return at - start

    cdef bint run_head(self, const char **at, const char *end, list events) except -1:
        cdef size_t used = 0
        cdef int result
        cdef bint head_only = False
        cdef bint connect = False
        if self.is_response:
            if self.methods:
                head_only = self.methods[0] == b"HEAD"
                connect = self.methods[0] == b"CONNECT"
            result = http1_parse_response(at[0], end - at[0], self.seen, &self.options, head_only, connect, &self.head, &self.message,
                                          &used)
        else:
            result = http1_parse_request(at[0], end - at[0], self.seen, &self.options, &self.head, &self.message, &used)
        if result == HTTP1_MORE:
            self.seen = end - at[0]
            return False
        if result == HTTP1_ERROR:
            self.fail(self.message.error, events)
        at[0] += used
        events.append(self.response_head() if self.is_response else self.request_head())
        if self.is_response and 100 <= self.head.status < 200 and self.head.status != 101:
            self.reset()
            return True
        if self.is_response and self.methods:
            del self.methods[0]
        http1_body_begin(&self.body, &self.message)
        self.stage = STAGE_BODY
        self.reset()
        if self.body.state == BODY_DONE:
            self.finish(events)
        return True

    cdef bint run_body(self, const char **at, const char *end, list events) except -1:
        cdef Span data = span(NULL, 0)
        cdef Head *trailers = &self.head if self.options.enable_trailers else NULL
        cdef int event = http1_body_next(&self.body, at, end, &self.options, trailers, &data)
        if event == EVENT_ERROR:
            self.fail(self.body.error, events)
        if event == EVENT_MORE:
            return False
        if event == EVENT_BODY:
            events.append(Data(take_bytes(data)))
        elif event == EVENT_TRAILERS:
            events.append(Trailers(take_headers(&self.head)))
        if self.body.state == BODY_DONE:
            self.finish(events)
        return True

    cdef finish(self, list events):
        events.append(End())
        self.stage = STAGE_HEAD
        self.reset()

    cdef request_head(self):
        cdef Head *head = &self.head
        cdef Http1Message *message = &self.message
        return RequestHead(
            take_bytes(head.method), take_bytes(head.path), take_bytes(head.authority), take_bytes(head.scheme), take_headers(head),
            "1.0" if head.version == HTTP_10 else "1.1", FRAMINGS[message.framing], announced(message), bool(message.keep_alive),
            bool(message.expect_continue), take_bytes(head.protocol) if message.upgrade else b"")

    cdef response_head(self):
        cdef Head *head = &self.head
        cdef Http1Message *message = &self.message
        return ResponseHead(
            head.status, take_bytes(head.reason), take_headers(head), "1.0" if head.version == HTTP_10 else "1.1",
            FRAMINGS[message.framing], announced(message), bool(message.keep_alive),
            take_bytes(head.protocol) if message.upgrade else b"")


cdef announced(Http1Message *message):
    return message.length if message.framing == BODY_LENGTH else None


cdef class RequestParser(Http1Parser):
    """Parses what a client sends: RequestHead, Data, Trailers, End, and again."""


cdef class ResponseParser(Http1Parser):
    """Parses what a server sends. Tell it the method of every request with `expect`, in the order they are sent."""

    def __cinit__(self):
        self.is_response = True
        self.reset()

    def expect(self, method):
        """A request with this method (bytes) was sent: the answer to HEAD has no body, one to CONNECT may open a tunnel."""
        self.methods.append(bytes(method))


cdef check_token(what, name):
    if not name or not TOKEN.issuperset(name):
        raise ValueError(f"{what}: {name!r} is not a token (RFC 9110, 5.6.2)")


cdef check_text(what, value):
    for c in value:
        if (c < 32 and c != 9) or c == 127:
            raise ValueError(f"{what}: {value!r} has control characters")


cdef check_target(what, value):
    for c in value:
        if c <= 32 or c >= 127:
            raise ValueError(f"{what}: {value!r} may hold visible ASCII only")


cdef class _Outgoing:
    # A head built from Python, alive while it is written.
    cdef Arena arena
    cdef Head head
    cdef Http1Options options
    cdef list kept

    def __cinit__(self):
        arena_init(&self.arena, NULL)
        head_init(&self.head, &self.arena, False)
        memset(&self.options, 0, sizeof(Http1Options))
        self.kept = []

    def __dealloc__(self):
        arena_fini(&self.arena)

    cdef Span keep(self, bytes value):
        self.kept.append(value)
        return span(<const char *>value, len(value))

    cdef add(self, headers):
        for name, value in headers:
            check_token("header name", name)
            check_text("header value", value)
            if len(name) > 65535:
                raise ValueError(f"header name: {len(name)} bytes, may be at most 65535")
            if value != value.strip(b" \t"):
                raise ValueError(f"header value: {value!r} starts or ends with a blank")
            if not head_add_copy(&self.head, self.keep(bytes(name)), self.keep(bytes(value))):
                raise MemoryError


cdef bytes written(_Outgoing out, size_t room, int kind, bint flag):
    cdef bytearray text = bytearray(room)
    cdef char *at = PyByteArray_AS_STRING(text)
    cdef size_t n
    if kind == 0:
        n = http1_write_request(&out.head, &out.options, flag, at)
    elif kind == 1:
        n = http1_write_response(&out.head, flag, &out.options, at)
    else:
        n = http1_write_trailers(&out.head, at)
    assert n <= room
    return PyBytes_FromStringAndSize(at, n)


def write_request(bytes method, bytes path, bytes authority, headers=(), *, bytes scheme=b"", bint full_url=False,
                  bint proper_case=False):
    """The head of a request as bytes. Framing headers are the caller's; Host is written from `authority`.

    An empty `path` writes the authority form (CONNECT). `full_url` writes the absolute form, which needs `scheme`. `proper_case`
    writes Header-Names-Like-This. Raises ValueError for what may not stand in a head.
    """
    cdef _Outgoing out = _Outgoing()
    check_token("method", method)
    check_target("path", path)
    check_target("authority", authority)
    check_target("scheme", scheme)
    if full_url and not scheme:
        raise ValueError("scheme: full_url needs one")
    if not path and not authority:
        raise ValueError("path: empty, and there is no authority to connect to")
    out.head.method = out.keep(method)
    out.head.path = out.keep(path)
    out.head.authority = out.keep(authority)
    out.head.scheme = out.keep(scheme)
    out.options.proper_case = proper_case
    out.add(headers)
    return written(out, http1_head_bound(&out.head), 0, full_url)


def write_response(int status, headers=(), *, bint http_10=False, bint proper_case=False):
    """The head of a response as bytes, with the standard reason phrase. `status` is 100 to 999. Framing headers are the caller's."""
    cdef _Outgoing out = _Outgoing()
    if not 100 <= status <= 999:
        raise ValueError(f"status: {status}, must be 100 to 999")
    out.head.is_response = True
    out.head.status = <uint16_t>status
    out.options.proper_case = proper_case
    out.add(headers)
    return written(out, http1_head_bound(&out.head), 1, http_10)


def write_chunk(bytes data):
    """`data` as one chunk (RFC 9112, 7.1); empty data gives no bytes, because an empty chunk would end the body."""
    cdef char text[18]
    if not data:
        return b""
    return PyBytes_FromStringAndSize(text, http1_write_chunk_size(len(data), text)) + data + b"\r\n"


def write_last_chunk(trailers=()):
    """The end of a chunked body: the last chunk, `trailers` as (name, value) pairs, and the empty line."""
    cdef _Outgoing out = _Outgoing()
    out.add(trailers)
    return written(out, http1_head_bound(&out.head), 2, False)
