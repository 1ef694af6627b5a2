"""Python face of the Thrift codec: bytes to messages and plain values, and back. `mesh.codec.thrift` is its public name.

Owns the bytes of a message that is not complete yet, and nothing else. Must not decide anything about Thrift: that is codec/.
Runs on the caller's thread under the GIL; a decoder ends with its object.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memset

from meshcore.base.arena cimport Arena, arena_fini, arena_init
from meshcore.base.buffer cimport *
from meshcore.base.span cimport Span, span
from meshcore.codec.head cimport Head, head_add, head_init
from meshcore.codec.thrift cimport *
from meshcore.codec.thrift_frame cimport *
from meshcore.codec.thrift_message cimport *
from meshcore.codec.thrift_read cimport *
from meshcore.codec.thrift_stream cimport *
from meshcore.codec.thrift_zlib cimport thrift_deflate, thrift_inflate

from meshcore.bind.thrift_values cimport *

from meshcore.bind.thrift_shapes import DecodeError, Message
from meshcore.bind.thrift_values import ERRORS, PROTOCOLS, convert_struct, skip_struct

TRANSPORTS = {"auto": THRIFT_TRANSPORT_AUTO, "framed": THRIFT_FRAMED, "unframed": THRIFT_UNFRAMED, "header": THRIFT_HEADER}
MESSAGE_TYPES = {"call": THRIFT_CALL, "reply": THRIFT_REPLY, "exception": THRIFT_EXCEPTION, "oneway": THRIFT_ONEWAY}

cdef dict transport_names = {number: name for name, number in TRANSPORTS.items()}
cdef dict protocol_names = {number: name for name, number in PROTOCOLS.items()}
cdef dict message_type_names = {number: name for name, number in MESSAGE_TYPES.items()}


cdef bytes envelope_bytes(name, uint8_t type, seqid, uint8_t protocol):
    cdef ThriftEnvelope envelope
    cdef bytes raw = name.encode("utf-8", "surrogateescape")
    cdef bytearray out
    if not -1 << 31 <= seqid < 1 << 31:
        raise ValueError(f"seqid: {seqid}, must be a signed 32-bit number")
    envelope.protocol = protocol
    envelope.type = type
    envelope.seqid = seqid
    envelope.name = span(PyBytes_AS_STRING(raw), len(raw))
    out = bytearray(thrift_message_bound(&envelope))
    del out[thrift_message_write(&envelope, PyByteArray_AS_STRING(out)):]
    return bytes(out)


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


cdef bytes frame_bytes(uint8_t transport, uint8_t protocol, seqid, headers, uint64_t size, bint zlib):
    cdef Arena arena
    cdef Head head
    cdef ThriftFrameHead frame
    cdef bytearray out
    cdef list kept = [(bytes(name), bytes(value)) for name, value in headers]
    cdef size_t n
    memset(&frame, 0, sizeof(frame))
    frame.transport = transport
    frame.protocol = protocol
    frame.seqid = seqid
    frame.size = size
    frame.transforms_len = 1 if zlib else 0
    frame.transforms[0] = THRIFT_TRANSFORM_ZLIB
    arena_init(&arena, NULL)
    try:
        head_init(&head, &arena, False)
        for name, value in kept:
            if len(name) > 65535 or head_add(&head, span(<const char *>name, len(name)), span(<const char *>value, len(value)), 0) == NULL:
                raise ValueError("headers: too long, or too many")
        out = bytearray(thrift_frame_bound(&frame, &head))
        n = thrift_frame_write(&frame, &head, PyByteArray_AS_STRING(out))
    finally:
        arena_fini(&arena)
    if n == 0 and transport != THRIFT_UNFRAMED:
        raise ValueError("headers: too long, or too many, or the message is too long for its transport")
    return bytes(out[:n])


cdef bytes wrapped(bytes body, message, uint8_t transport, uint8_t protocol, bint zlib):
    if zlib:
        body = deflated(body)
    headers = message.headers if transport == THRIFT_HEADER else ()
    return frame_bytes(transport, protocol, message.seqid, headers, len(body), zlib) + body


def encode(message, *, str transport=None, str protocol=None, bint zlib=False):
    """`message` as bytes, over `transport` and in `protocol` ("auto" for neither; default: what the message says).

    `zlib` compresses the payload, which only the header transport can tell. Raises ValueError for what does not fit the wire.
    """
    cdef int over = one_of("transport", transport or message.transport, TRANSPORTS)
    cdef int how = one_of("protocol", protocol or message.protocol, PROTOCOLS)
    if over == THRIFT_TRANSPORT_AUTO or how == THRIFT_PROTOCOL_AUTO:
        raise ValueError("transport and protocol: auto is for decoding")
    if over == THRIFT_HEADER and how == THRIFT_BINARY_LAX:
        raise ValueError("protocol: the header transport has no binary/non-strict")
    if zlib and over != THRIFT_HEADER:
        raise ValueError("zlib: only the header transport has transforms")
    type = one_of("type", message.type, MESSAGE_TYPES)
    body = envelope_bytes(message.name, type, message.seqid, how) + buffer_bytes(&written(message.fields, how).out)
    return wrapped(body, message, over, how, zlib)


cdef class Decoder:
    """Takes the bytes of one direction of a connection and gives its messages.

    `transport` is "auto", "framed", "unframed" or "header", `protocol` "auto", "binary", "binary/non-strict" or "compact"; what auto
    finds in the first message holds for all. `plain` drops the types from the values. Limits (keyword only): `max_frame_bytes`,
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
    cdef tuple transforms

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
        if not self.stream.compressed:
            self.keep_head()

    cdef keep_head(self):
        cdef ThriftEnvelope *envelope = &self.stream.envelope
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
        return Message(*self.head, fields, self.headers, transport_names[self.stream.frame.transport],
                       protocol_names[self.stream.envelope.protocol])

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
    target = protocol or source
    over = transport or transport_names[decoder.stream.frame.transport]
    if wire_of(source) != wire_of(target):
        body = bytearray(convert_struct(body, source, target, **limits))
    elif decoder.stream.frame.size == THRIFT_UNBOUNDED and skip_struct(body, source, **limits) != len(body):
        raise_error(THRIFT_TRAILING)
    old_name, type, old_seqid = decoder.head
    message = Message(old_name if name is None else name, type, old_seqid if seqid is None else seqid, {}, decoder.headers, over, target)
    how = one_of("protocol", target, PROTOCOLS)
    whole = envelope_bytes(message.name, MESSAGE_TYPES[type], message.seqid, how) + bytes(body)
    return wrapped(whole, message, one_of("transport", over, TRANSPORTS), how, False)


cdef bint wire_of(protocol):
    return protocol == "compact"
