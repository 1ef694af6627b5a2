"""Python face of the Thrift codec: bytes to messages and plain values, and back. `mesh.codec.thrift` is its public name.

Owns the bytes of a message that is not complete yet, and nothing else. Must not decide anything about Thrift: that is codec/.
Runs on the caller's thread under the GIL; a decoder ends with its object.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int16_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from meshcore.base.arena cimport Arena, arena_fini, arena_init
from meshcore.base.buffer cimport *
from meshcore.base.span cimport Span, span
from meshcore.codec.head cimport Head, head_add, head_init
from meshcore.codec.thrift cimport *
from meshcore.codec.thrift_frame cimport *
from meshcore.codec.thrift_message cimport *
from meshcore.codec.thrift_read cimport *
from meshcore.codec.thrift_skip cimport thrift_skip
from meshcore.codec.thrift_stream cimport *
from meshcore.codec.thrift_write cimport *
from meshcore.codec.thrift_zlib cimport thrift_deflate, thrift_inflate

from meshcore.bind.thrift_shapes import Message, DecodeError, Type

TRANSPORTS = {"auto": THRIFT_TRANSPORT_AUTO, "framed": THRIFT_FRAMED, "unframed": THRIFT_UNFRAMED, "header": THRIFT_HEADER}
PROTOCOLS = {"auto": THRIFT_PROTOCOL_AUTO, "binary": THRIFT_BINARY, "binary/non-strict": THRIFT_BINARY_LAX, "compact": THRIFT_COMPACT}
MESSAGE_TYPES = {"call": THRIFT_CALL, "reply": THRIFT_REPLY, "exception": THRIFT_EXCEPTION, "oneway": THRIFT_ONEWAY}
ERRORS = tuple(thrift_error_name(error).decode() for error in range(1, THRIFT_ERRORS))
RANGES = {THRIFT_BYTE: 1 << 7, THRIFT_I16: 1 << 15, THRIFT_I32: 1 << 31, THRIFT_I64: 1 << 63}

cdef dict transport_names = {number: name for name, number in TRANSPORTS.items()}
cdef dict protocol_names = {number: name for name, number in PROTOCOLS.items()}
cdef dict message_type_names = {number: name for name, number in MESSAGE_TYPES.items()}
# By number, STOP included: an empty map of the compact protocol does not tell its types.
cdef list types = [Type(number) if number in Type._value2member_map_ else 0 for number in range(THRIFT_TYPES)]


cdef raise_error(uint8_t error, list messages=None):
    if error == THRIFT_NO_MEMORY:
        raise MemoryError
    raise DecodeError(thrift_error_name(error).decode(), messages)


cdef int one_of(what, name, dict names) except -1:
    if name not in names:
        raise ValueError(f"{what}: {name!r}, must be one of {', '.join(names)}")
    return names[name]


cdef fill_limits(ThriftLimits *limits, dict given):
    # The keyword arguments that are limits; their names are those of ThriftLimits.
    thrift_limits_default(limits)
    for name, value in given.items():
        top = THRIFT_DEPTH_MAX if name == "max_depth" else 0x7fffffff
        if not 1 <= value <= top:
            raise ValueError(f"{name}: {value}, must be 1 to {top}")
        if name == "max_frame_bytes":
            limits.max_frame_bytes = limits.max_header_frame_bytes = value
        elif name == "max_header_bytes":
            limits.max_header_bytes = value
        elif name == "max_inflated_bytes":
            limits.max_inflated_bytes = value
        elif name == "max_name_bytes":
            limits.max_name_bytes = value
        elif name == "max_string_bytes":
            limits.max_string_bytes = value
        elif name == "max_container":
            limits.max_container = value
        elif name == "max_depth":
            limits.max_depth = value
        else:
            raise TypeError(f"unknown limit {name!r}")


cdef bytes take_bytes(Span s):
    return PyBytes_FromStringAndSize(s.at, s.len)


cdef bytes buffer_bytes(Buffer *buffer):
    cdef bytes out = PyBytes_FromStringAndSize(NULL, buffer.len)
    buffer_read(buffer, PyBytes_AS_STRING(out), buffer.len)
    return out


# --- values out -----------------------------------------------------------------------------------------------------


cdef class _Values:
    # Builds Python values from the events of a reader over bytes that are all there.
    cdef ThriftReader reader
    cdef const char *at
    cdef const char *end
    cdef bint plain

    cdef int next(self, ThriftEvent *event) except -1:
        cdef int result = thrift_read_next(&self.reader, &self.at, self.end, event)
        if result == THRIFT_OK:
            return 0
        raise_error(self.reader.error if result == THRIFT_ERROR else THRIFT_TRUNCATED)

    cdef object value(self, ThriftEvent *event):
        cdef uint8_t kind = event.kind
        if kind == THRIFT_EVENT_STRING:
            return PyBytes_FromStringAndSize(event.bytes.at, event.bytes.len)
        if kind == THRIFT_EVENT_NUMBER:
            if event.type == THRIFT_BOOL:
                return event.number != 0
            return event.real if event.type == THRIFT_DOUBLE else event.number
        if kind == THRIFT_EVENT_STRUCT_BEGIN:
            return self.struct()
        if kind == THRIFT_EVENT_MAP_BEGIN:
            return self.map(event.key_type, event.type, event.size)
        if kind == THRIFT_EVENT_UUID:
            return PyBytes_FromStringAndSize(event.uuid, 16)
        return self.list(event.type, event.size)

    cdef object struct(self):
        cdef ThriftEvent event
        cdef dict out = {}
        cdef int16_t id
        cdef uint8_t type
        self.next(&event)
        while event.kind == THRIFT_EVENT_FIELD:
            id = event.id
            type = event.type
            self.next(&event)
            out[id] = self.value(&event) if self.plain else (types[type], self.value(&event))
            self.next(&event)
        return out

    cdef object list(self, uint8_t type, uint32_t size):
        cdef ThriftEvent event
        cdef list out = []
        cdef uint32_t _
        for _ in range(size):
            self.next(&event)
            out.append(self.value(&event))
        self.next(&event)
        return out if self.plain else (types[type], out)

    cdef object map(self, uint8_t key_type, uint8_t type, uint32_t size):
        cdef ThriftEvent event
        cdef list out = []
        cdef uint32_t _
        for _ in range(size):
            self.next(&event)
            key = self.value(&event)
            self.next(&event)
            out.append((key, self.value(&event)))
        self.next(&event)
        if not self.plain:
            return (types[key_type], types[type], out)
        return dict(out) if thrift_binary_width[key_type & 31] > 0 or key_type == THRIFT_STRING or size == 0 else out


cdef _Values values(const char *at, size_t n, uint8_t protocol, bint plain, const ThriftLimits *limits):
    cdef _Values out = _Values.__new__(_Values)
    out.at = at
    out.end = at + n
    out.plain = plain
    thrift_read_begin(&out.reader, protocol, THRIFT_STRUCT, n, limits)
    return out


cdef object payload(const char *at, size_t n, uint8_t protocol, bint plain, const ThriftLimits *limits, bint whole):
    cdef _Values out = values(at, n, protocol, plain, limits)
    cdef ThriftEvent event
    out.next(&event)
    fields = out.value(&event)
    if whole and out.at != out.end:
        raise_error(THRIFT_TRAILING)
    return fields


# --- values in ------------------------------------------------------------------------------------------------------


cdef class _Writing:
    # Writes Python values of the documented shapes.
    cdef BufferPool pool
    cdef Buffer out
    cdef ThriftWriter writer

    def __cinit__(self):
        buffers_init(&self.pool, 4)
        buffer_init(&self.out)

    def __dealloc__(self):
        buffer_fini(&self.pool, &self.out)
        buffers_fini(&self.pool)

    cdef int put(self, ThriftEvent *event) except -1:
        if thrift_write_event(&self.writer, event) == THRIFT_ERROR:
            if self.writer.error == THRIFT_TOO_DEEP:
                raise ValueError(f"values are nested deeper than {THRIFT_DEPTH_MAX}")
            raise_error(self.writer.error)
        return 0

    cdef int mark(self, uint8_t kind) except -1:
        cdef ThriftEvent event
        event.kind = kind
        return self.put(&event)

    cdef int value(self, int type, object value, str path) except -1:
        cdef ThriftEvent event
        event.type = <uint8_t>type
        if type == THRIFT_STRING:
            value = value.encode() if isinstance(value, str) else bytes(value)
            if len(value) > 0x7fffffff:
                raise ValueError(f"{path}: {len(value)} bytes are too many")
            event.kind = THRIFT_EVENT_STRING
            event.size = len(value)
            event.bytes = span(PyBytes_AS_STRING(value), event.size)
            return self.put(&event)
        if type == THRIFT_STRUCT:
            return self.struct(value, path)
        if type == THRIFT_LIST or type == THRIFT_SET:
            return self.list(THRIFT_EVENT_LIST_BEGIN if type == THRIFT_LIST else THRIFT_EVENT_SET_BEGIN, value, path)
        if type == THRIFT_MAP:
            return self.map(value, path)
        if type == THRIFT_UUID:
            if len(value) != 16:
                raise ValueError(f"{path}: {value!r}, must be 16 bytes")
            event.kind = THRIFT_EVENT_UUID
            memcpy(event.uuid, <const char *>value, 16)
            return self.put(&event)
        return self.number(&event, value, path)

    cdef int number(self, ThriftEvent *event, object value, str path) except -1:
        event.kind = THRIFT_EVENT_NUMBER
        event.number = 0
        if event.type == THRIFT_DOUBLE:
            event.real = value
        elif event.type == THRIFT_BOOL:
            event.number = bool(value)
        else:
            if not -RANGES[event.type] <= value < RANGES[event.type]:
                raise ValueError(f"{path}: {value} is no {thrift_type_name(event.type).decode()}")
            event.number = value
        return self.put(event)

    cdef int struct(self, fields, str path) except -1:
        cdef ThriftEvent event
        self.mark(THRIFT_EVENT_STRUCT_BEGIN)
        for id, (type, value) in fields.items():
            if not -32768 <= id <= 32767:
                raise ValueError(f"{path}: field id {id}, must be -32768 to 32767")
            event.kind = THRIFT_EVENT_FIELD
            event.type = known(type, path, id)
            event.id = id
            self.put(&event)
            self.value(event.type, value, f"{path}.{id}")
        return self.mark(THRIFT_EVENT_STRUCT_END)

    cdef int list(self, uint8_t kind, given, str path) except -1:
        cdef ThriftEvent event
        type, elements = given
        event.kind = kind
        event.size = counted(elements, path)
        event.type = known(type, path, "elements") if event.size > 0 or type else THRIFT_STOP
        self.put(&event)
        for value in elements:
            self.value(event.type, value, path)
        return self.mark(kind + 1)

    cdef int map(self, given, str path) except -1:
        cdef ThriftEvent event
        key_type, type, pairs = given
        if isinstance(pairs, dict):
            pairs = list(pairs.items())
        event.kind = THRIFT_EVENT_MAP_BEGIN
        event.size = counted(pairs, path)
        event.key_type = known(key_type, path, "keys") if event.size > 0 or key_type else THRIFT_STOP
        event.type = known(type, path, "values") if event.size > 0 or type else THRIFT_STOP
        self.put(&event)
        for key, value in pairs:
            self.value(event.key_type, key, path)
            self.value(event.type, value, path)
        return self.mark(THRIFT_EVENT_MAP_END)


cdef uint8_t known(type, path, what) except 0:
    if not (isinstance(type, int) and 0 < type < THRIFT_TYPES and thrift_binary_least[<int>type] > 0):
        raise ValueError(f"{path}: {what} of type {type!r}, must be one of Type")
    return type


cdef uint32_t counted(elements, path) except? 0:
    if len(elements) > 0x7fffffff:
        raise ValueError(f"{path}: {len(elements)} elements are too many")
    return len(elements)


cdef _Writing written(fields, int protocol):
    cdef _Writing out = _Writing()
    thrift_write_begin(&out.writer, protocol, &out.pool, &out.out)
    out.struct(fields, "fields")
    return out


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


def encode_struct(fields, str protocol="binary"):
    """A struct of the shape of Message.fields as bytes, without an envelope."""
    return buffer_bytes(&written(fields, one_of("protocol", protocol, PROTOCOLS)).out)


def decode_struct(data, str protocol="binary", *, bint plain=False, **limits):
    """The struct in `data`, which must hold nothing else. Shapes, limits and errors are those of Decoder."""
    cdef Py_buffer view
    cdef ThriftLimits limit
    fill_limits(&limit, limits)
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        return payload(<const char *>view.buf, view.len, one_of("protocol", protocol, PROTOCOLS), plain, &limit, True)
    finally:
        PyBuffer_Release(&view)


def skip_struct(data, str protocol="binary", **limits):
    """How many bytes the struct at the start of `data` takes, found without decoding it. Raises DecodeError as decode_struct does."""
    cdef Py_buffer view
    cdef ThriftLimits limit
    cdef ThriftReader reader
    cdef const char *at
    cdef int result
    fill_limits(&limit, limits)
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        at = <const char *>view.buf
        thrift_read_begin(&reader, one_of("protocol", protocol, PROTOCOLS), THRIFT_STRUCT, view.len, &limit)
        result = thrift_skip(&reader, &at, at + view.len)
        if result != THRIFT_OK:
            raise_error(reader.error if result == THRIFT_ERROR else THRIFT_TRUNCATED)
        return at - <const char *>view.buf
    finally:
        PyBuffer_Release(&view)


def convert_struct(data, str source, str target, **limits):
    """The struct in `data` rewritten from one protocol into another, without a Python value in between."""
    cdef Py_buffer view
    cdef ThriftLimits limit
    cdef ThriftReader reader
    cdef _Writing out = _Writing()
    cdef const char *at
    cdef int result
    fill_limits(&limit, limits)
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        at = <const char *>view.buf
        thrift_read_begin(&reader, one_of("source", source, PROTOCOLS), THRIFT_STRUCT, view.len, &limit)
        thrift_write_begin(&out.writer, one_of("target", target, PROTOCOLS), &out.pool, &out.out)
        result = thrift_convert(&reader, &at, at + view.len, &out.writer)
        if result == THRIFT_ERROR:
            raise_error(reader.error or out.writer.error)
        if result == THRIFT_MORE or at != <const char *>view.buf + view.len:
            raise_error(THRIFT_TRUNCATED if result == THRIFT_MORE else THRIFT_TRAILING)
        return buffer_bytes(&out.out)
    finally:
        PyBuffer_Release(&view)


# --- messages -------------------------------------------------------------------------------------------------------


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
