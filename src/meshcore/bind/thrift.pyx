"""Python face of the Thrift codec: bytes to messages and plain values, and back. `mesh.codec.thrift` is its public name.

Owns the bytes of a message that is not complete yet, and nothing else. Must not decide anything about Thrift: that is codec/.
Runs on the caller's thread under the GIL; a decoder ends with its object.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint16_t, uint64_t
from libc.string cimport memset

from meshcore.base.arena cimport Arena, arena_fini, arena_init
from meshcore.base.buffer cimport *
from meshcore.base.span cimport Span, span
from meshcore.codec.head cimport H_OTHER, Head, head_add, head_init, header_name, header_value
from meshcore.codec.thrift cimport *
from meshcore.codec.thrift_frame cimport *
from meshcore.codec.thrift_message cimport *
from meshcore.codec.thrift_read cimport *
from meshcore.codec.thrift_reply cimport *
from meshcore.codec.thrift_stream cimport *
from meshcore.codec.thrift_twitter cimport *
from meshcore.codec.thrift_zlib cimport thrift_deflate, thrift_inflate

from meshcore.bind.thrift_values cimport *

from meshcore.bind.thrift_shapes import DecodeError, Message, Trace
from meshcore.bind.thrift_values import ERRORS, PROTOCOLS, convert_struct, skip_struct

TRANSPORTS = {"auto": THRIFT_TRANSPORT_AUTO, "framed": THRIFT_FRAMED, "unframed": THRIFT_UNFRAMED, "header": THRIFT_HEADER}
REPLY_KINDS = {REPLY_MORE: "more", REPLY_SUCCESS: "success", REPLY_ERROR: "error", REPLY_BAD: "bad"}
MESSAGE_TYPES = {"call": THRIFT_CALL, "reply": THRIFT_REPLY, "exception": THRIFT_EXCEPTION, "oneway": THRIFT_ONEWAY}

cdef dict transport_names = {number: name for name, number in TRANSPORTS.items()}
cdef dict protocol_names = {number: name for name, number in PROTOCOLS.items()}
cdef dict message_type_names = {number: name for name, number in MESSAGE_TYPES.items()}


cdef bytes deflated(bytes raw):
    cdef _Writing plain = _Writing()
    cdef Buffer packed
    cdef int error
    buffer_init(&packed)
    if not buffer_borrow(&plain.pool, &plain.out, PyBytes_AS_STRING(raw), len(raw)):
        raise MemoryError
    error = thrift_deflate(&plain.pool, &plain.out, &packed)
    try:
        if error != THRIFT_NO_ERROR:
            raise_error(error)
        return buffer_bytes(&packed)
    finally:
        buffer_fini(&plain.pool, &packed)


cdef class _Head:
    # The frame and the envelope of a message from Python, alive while they are written.
    cdef Arena arena
    cdef Head headers
    cdef ThriftFrameHead frame
    cdef ThriftEnvelope envelope
    cdef bytes name
    cdef list kept
    cdef object trace

    def __cinit__(self):
        arena_init(&self.arena, NULL)
        head_init(&self.headers, &self.arena, False)
        memset(&self.frame, 0, sizeof(ThriftFrameHead))
        self.kept = []

    def __dealloc__(self):
        arena_fini(&self.arena)

    cdef add(self, headers):
        for name, value in headers:
            pair = bytes(name), bytes(value)
            self.kept.append(pair)
            if len(pair[0]) > 65535 or head_add(&self.headers, span(<const char *>pair[0], len(pair[0])),
                                                span(<const char *>pair[1], len(pair[1])), H_OTHER) == NULL:
                raise ValueError("headers: too long, or too many")

    cdef bytes before(self, size_t size):
        # Frame and envelope for a payload of so many bytes.
        cdef _Writing out = _Writing()
        cdef bytes lead = self.lead()
        check_head(thrift_head_write(&out.pool, &out.out, &self.frame, &self.headers, span(PyBytes_AS_STRING(lead), len(lead)),
                                     &self.envelope, size))
        return buffer_bytes(&out.out)

    cdef bytes lead(self):
        # The header struct of the Twitter protocol.
        cdef _Writing out = _Writing()
        cdef ThriftTrace trace
        cdef bytes spans
        if self.trace is None:
            return b""
        fill_trace(&trace, self.trace)
        spans = self.trace.spans
        check_head(thrift_twitter_write(&out.pool, &out.out, self.envelope.type in (THRIFT_REPLY, THRIFT_EXCEPTION), &trace,
                                        &self.headers, span(PyBytes_AS_STRING(spans), len(spans))))
        return buffer_bytes(&out.out)

    cdef bytes compressed(self, bytes payload):
        # Frame, and envelope and payload deflated.
        cdef bytearray plain = bytearray(thrift_message_len(&self.envelope))
        cdef bytes body
        cdef bytearray out
        thrift_message_write(&self.envelope, PyByteArray_AS_STRING(plain))
        body = deflated(bytes(plain) + payload)
        self.frame.size = len(body)
        self.frame.protocol = self.envelope.protocol
        self.frame.transforms_len = 1
        self.frame.transforms[0] = THRIFT_TRANSFORM_ZLIB
        out = bytearray(thrift_frame_bound(&self.frame, &self.headers))
        del out[thrift_frame_write(&self.frame, &self.headers, PyByteArray_AS_STRING(out)):]
        check_head(THRIFT_NO_ERROR if out else THRIFT_BAD_HEADER)
        return bytes(out) + body


cdef fill_trace(ThriftTrace *trace, given):
    memset(trace, 0, sizeof(ThriftTrace))
    trace.trace_id, trace.span_id = given.trace_id, given.span_id
    if given.parent_span_id is not None:
        trace.parent_span_id = given.parent_span_id
        trace.has |= TRACE_PARENT_SPAN_ID
    if given.sampled is not None:
        trace.sampled = given.sampled
        trace.has |= TRACE_SAMPLED
    if given.flags is not None:
        trace.flags = given.flags
        trace.has |= TRACE_FLAGS
    if given.trace_id_high is not None:
        trace.trace_id_high = given.trace_id_high
        trace.has |= TRACE_ID_HIGH


cdef take_trace(ThriftTrace *trace, Span spans):
    return Trace(
        trace.trace_id, trace.span_id, trace.parent_span_id if trace.has & TRACE_PARENT_SPAN_ID else None,
        bool(trace.sampled) if trace.has & TRACE_SAMPLED else None, trace.flags if trace.has & TRACE_FLAGS else None,
        trace.trace_id_high if trace.has & TRACE_ID_HIGH else None, take_bytes(spans))


cdef check_head(int error):
    if error == THRIFT_BAD_HEADER:
        raise ValueError("headers: too long, or too many, or the message is too long for its transport")
    if error != THRIFT_NO_ERROR:
        raise_error(error)


cdef _Head head_of(message, int transport, int protocol):
    cdef _Head head = _Head()
    if not -1 << 31 <= message.seqid < 1 << 31:
        raise ValueError(f"seqid: {message.seqid}, must be a signed 32-bit number")
    head.name = message.name.encode("utf-8", "surrogateescape")
    head.envelope.protocol = protocol
    head.envelope.type = one_of("type", message.type, MESSAGE_TYPES)
    head.envelope.seqid = message.seqid
    head.envelope.name = span(PyBytes_AS_STRING(head.name), len(head.name))
    head.frame.transport = transport
    head.frame.seqid = message.seqid
    if protocol == THRIFT_TWITTER:
        head.trace = message.trace
    if transport == THRIFT_HEADER or head.trace is not None:
        head.add(message.headers)
    return head


cdef (int, int) way(transport, protocol) except *:
    # The numbers of both, when they go together.
    cdef int over = one_of("transport", transport, TRANSPORTS)
    cdef int how = one_of("protocol", protocol, PROTOCOLS)
    if over == THRIFT_TRANSPORT_AUTO or how == THRIFT_PROTOCOL_AUTO:
        raise ValueError("transport and protocol: auto is for decoding")
    if over == THRIFT_HEADER and how != THRIFT_BINARY and how != THRIFT_COMPACT:
        raise ValueError(f"protocol: the header transport has no {protocol}")
    return over, how


def encode(message, *, str transport=None, str protocol=None, bint zlib=False):
    """`message` as bytes, over `transport` and in `protocol` ("auto" for neither; default: what the message says).

    `zlib` compresses the payload, which only the header transport can tell. Raises ValueError for what does not fit the wire.
    """
    over, how = way(transport or message.transport, protocol or message.protocol)
    cdef _Head head = head_of(message, over, how)
    if zlib and over != THRIFT_HEADER:
        raise ValueError("zlib: only the header transport has transforms")
    payload = buffer_bytes(&written(message.fields, how).out)
    return head.compressed(payload) if zlib else head.before(len(payload)) + payload


def exception(request, int type, text, *, str transport=None, str protocol=None):
    """The application exception that answers `request` (a Message), as bytes: `type` is a number of TApplicationException, such as 1 for
    an unknown method and 6 for an internal error, `text` what the client will read.
    """
    over, how = way(transport or request.transport, protocol or request.protocol)
    cdef _Head head = head_of(request, over, how)
    cdef _Writing out = _Writing()
    cdef bytes raw = text.encode()
    cdef bytes lead
    head.envelope.type = THRIFT_EXCEPTION
    lead = head.lead()
    check_head(thrift_exception_write(&out.pool, &out.out, &head.frame, &head.headers, span(PyBytes_AS_STRING(lead), len(lead)),
                                      &head.envelope, type, span(PyBytes_AS_STRING(raw), len(raw))))
    return buffer_bytes(&out.out)


def reply_kind(data, str protocol="binary"):
    """What the first bytes of a reply's payload say: "success", "error" (an exception that the service declares), "bad", or "more"."""
    cdef Py_buffer view
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        return REPLY_KINDS[thrift_reply_kind(<const char *>view.buf, view.len, one_of("protocol", protocol, PROTOCOLS))]
    finally:
        PyBuffer_Release(&view)


cdef class Decoder:
    """Takes the bytes of one direction of a connection and gives its messages.

    `transport` is "auto", "framed", "unframed" or "header", `protocol` "auto", "binary", "binary/non-strict", "compact" or "twitter"; what
    auto finds in the first message holds for all. A Twitter upgrade holds from the message behind it: the decoder of the other direction
    sees one, too. `plain` drops the types from the values. Limits (keyword only): `max_frame_bytes`,
    `max_header_bytes`, `max_inflated_bytes`, `max_name_bytes`, `max_string_bytes` (bytes), `max_container` (elements), `max_depth`.
    """

    cdef ThriftStream stream
    cdef ThriftReader reader
    cdef ThriftLimits limits
    cdef bint plain
    cdef bytearray pending         # the part of a head that came so far
    cdef bytearray body            # what came of the payload so far
    cdef tuple head                # name, type and seqid of the message at hand; None when its envelope is compressed
    cdef tuple headers
    cdef object trace
    cdef bint is_upgrade           # told at once: the name dies with the input

    def __cinit__(self):
        self.pending = bytearray()
        self.body = bytearray()

    def __init__(self, *, str transport="auto", str protocol="auto", bint plain=False, **limits):
        fill_limits(&self.limits, limits)
        self.plain = plain
        thrift_stream_init(&self.stream, one_of("transport", transport, TRANSPORTS), one_of("protocol", protocol, PROTOCOLS),
                           &self.limits, &self.reader)

    def feed(self, data):
        """Takes `data` (any bytes-like object) and returns the list of messages that are complete with it.

        Raises DecodeError, whose `messages` hold what came before the error in the same call; every later call raises it again.
        """
        cdef Py_buffer view
        cdef list messages = []
        cdef size_t used
        if self.stream.state == STREAM_BROKEN:
            raise_error(self.stream.error)
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            if self.pending:
                self.pending += data
                used = self.run(PyByteArray_AS_STRING(self.pending), len(self.pending), messages)
                del self.pending[:used]
            else:
                used = self.run(<const char *>view.buf, view.len, messages)
                if used < <size_t>view.len:
                    self.pending += PyBytes_FromStringAndSize(<const char *>view.buf + used, view.len - used)
        except DecodeError as error:
            error.messages = messages
            raise
        finally:
            PyBuffer_Release(&view)
        return messages

    def eof(self):
        """Says that the peer has closed. Raises DecodeError in the middle of a message."""
        if self.stream.state == STREAM_BROKEN:
            raise_error(self.stream.error)
        if self.stream.state != STREAM_HEAD or self.pending:
            self.fail(THRIFT_TRUNCATED)

    @property
    def state(self):
        """Where it stands: "head", "payload", "walk" (an unframed payload), "compressed" or "broken"."""
        return thrift_stream_state_name(self.stream.state).decode()

    @property
    def held(self):
        """Bytes that it keeps of a message which is not complete."""
        return len(self.pending) + len(self.body)

    cdef fail(self, uint8_t error):
        self.stream.state = STREAM_BROKEN
        self.stream.error = error
        raise_error(error)

    cdef size_t run(self, const char *start, size_t n, list messages) except? 0:
        cdef const char *at = start
        cdef const char *end = start + n
        cdef const char *whole = NULL      # the payload, while it lies in the input in one piece
        cdef uint64_t whole_len = 0
        cdef Span piece
        cdef int event
        while True:
            event = thrift_stream_next(&self.stream, &at, end, &piece)
            if event == STREAM_ERROR:
                raise_error(self.stream.error)
            if event == STREAM_MESSAGE:
                self.begin()
                whole = at
                whole_len = 0
            elif event == STREAM_BYTES:
                if whole != NULL:
                    whole_len += piece.len
                else:
                    self.body += take_bytes(piece)
            elif event == STREAM_END:
                if whole == NULL:
                    whole = PyByteArray_AS_STRING(self.body)
                    whole_len = len(self.body)
                messages.append(self.finish(whole, whole_len))
                self.body = bytearray()
                whole = NULL
            else:
                if whole != NULL:
                    self.body += PyBytes_FromStringAndSize(whole, whole_len)
                return at - start

    cdef begin(self):
        cdef ThriftInfo info = self.stream.frame.info
        cdef Span key
        cdef Span value
        cdef list pairs = []
        if self.stream.frame.transport == THRIFT_HEADER:
            while thrift_info_next(&info, &key, &value) == THRIFT_OK:
                pairs.append((take_bytes(key), take_bytes(value)))
        self.headers = tuple(pairs)
        self.trace = None
        if self.stream.twitter.len > 0:
            self.read_twitter()
        if not self.stream.compressed:
            self.keep_head()

    cdef read_twitter(self):
        cdef _Head head = _Head()
        cdef ThriftTrace trace
        cdef Span spans
        cdef int error = thrift_twitter_read(self.stream.twitter, &self.limits, &trace, &head.headers, &spans)
        cdef uint16_t i
        if error != THRIFT_NO_ERROR:
            self.fail(error)
        self.trace = take_trace(&trace, spans)
        self.headers = tuple([(take_bytes(header_name(&head.headers.headers[i])), take_bytes(header_value(&head.headers.headers[i])))
                              for i in range(head.headers.len)])

    cdef keep_head(self):
        cdef ThriftEnvelope *envelope = &self.stream.envelope
        self.is_upgrade = thrift_is_upgrade(envelope)
        self.head = (take_bytes(envelope.name).decode("utf-8", "surrogateescape"), message_type_names[envelope.type], envelope.seqid)

    cdef finish(self, const char *at, size_t n):
        cdef size_t used = 0
        cdef bytes plain
        if self.stream.compressed:
            plain = self.inflated(at, n)
            at = PyBytes_AS_STRING(plain)
            n = len(plain)
            if thrift_stream_inflated(&self.stream, at, n, &used) == THRIFT_ERROR:
                raise_error(self.stream.error)
            self.keep_head()
        try:
            fields = payload(at + used, n - used, self.stream.envelope.protocol, self.plain, &self.limits, True)
        except DecodeError as error:
            self.stream.state = STREAM_BROKEN
            self.stream.error = ERRORS.index(error.error) + 1
            raise
        protocol = self.stream.envelope.protocol if self.stream.protocol != THRIFT_TWITTER else THRIFT_TWITTER
        if protocol == THRIFT_TWITTER and not fields and self.is_upgrade:
            # Asked for, or agreed to: an empty struct either way.
            self.stream.upgraded = True
        return Message(*self.head, fields, self.headers, transport_names[self.stream.frame.transport], protocol_names[protocol], self.trace)

    cdef bytes inflated(self, const char *at, size_t n):
        cdef _Writing whole = _Writing()
        cdef Buffer out
        cdef int error = THRIFT_NO_ERROR
        cdef uint8_t _
        if not buffer_copy(&whole.pool, &whole.out, at, n):
            raise MemoryError
        for _ in range(self.stream.frame.transforms_len):
            buffer_init(&out)
            error = thrift_inflate(&whole.pool, &whole.out, &out, self.limits.max_inflated_bytes)
            buffer_fini(&whole.pool, &whole.out)
            whole.out = out
            if error != THRIFT_NO_ERROR:
                self.fail(error)
        return buffer_bytes(&whole.out)


def decode(data, *, str transport="auto", str protocol="auto", bint plain=False, **limits):
    """The one message that `data` holds; arguments and errors are those of Decoder. Raises DecodeError for more or less than one."""
    cdef Decoder decoder = Decoder(transport=transport, protocol=protocol, plain=plain, **limits)
    messages = decoder.feed(data)
    decoder.eof()
    if len(messages) != 1:
        raise_error(THRIFT_TRAILING if messages else THRIFT_TRUNCATED)
    return messages[0]


def rewrite(data, *, str name=None, seqid=None, str transport=None, str protocol=None, **limits):
    """The message in `data` with another name, sequence id, transport or protocol; what is None stays.

    The payload is copied as it is when the protocol stays and the message is framed, else converted by the native bridge.
    """
    cdef Py_buffer view
    cdef Decoder decoder = Decoder(**limits)
    cdef const char *at
    cdef Span piece
    cdef bytearray body = bytearray()
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        at = <const char *>view.buf
        end = thrift_stream_next(&decoder.stream, &at, at + view.len, &piece)
        if end == STREAM_ERROR:
            raise_error(decoder.stream.error)
        if end != STREAM_MESSAGE:
            raise_error(THRIFT_TRUNCATED)
        if decoder.stream.compressed:
            raise ValueError("data: compressed messages are decoded, not rewritten")
        decoder.begin()
        body += PyBytes_FromStringAndSize(at, <const char *>view.buf + view.len - at)
    finally:
        PyBuffer_Release(&view)
    source = protocol_names[decoder.stream.envelope.protocol]
    over, how = way(transport or transport_names[decoder.stream.frame.transport], protocol or source)
    if (source == "compact") != (how == THRIFT_COMPACT):
        body = bytearray(convert_struct(body, source, protocol, **limits))
    elif decoder.stream.frame.size == THRIFT_UNBOUNDED and skip_struct(body, source, **limits) != len(body):
        raise_error(THRIFT_TRAILING)
    old_name, type, old_seqid = decoder.head
    message = Message(old_name if name is None else name, type, old_seqid if seqid is None else seqid, {}, decoder.headers)
    return head_of(message, over, how).before(len(body)) + bytes(body)
