"""Python face of Thrift values: structs to plain values and back. `mesh.codec.thrift` is the public name of what it exports.

Owns nothing but what a call builds. Must not decide anything about Thrift: that is codec/. Runs on the caller's thread under the GIL.
Shares its builders with the messages in thrift.pyx through thrift_values.pxd.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int16_t, uint8_t, uint32_t
from libc.string cimport memcpy

from meshcore.base.buffer cimport *
from meshcore.base.span cimport Span, span
from meshcore.codec.thrift cimport *
from meshcore.codec.thrift_read cimport *
from meshcore.codec.thrift_skip cimport thrift_skip
from meshcore.codec.thrift_write cimport *

from meshcore.bind.thrift_shapes import DecodeError, Type

PROTOCOLS = {
    "auto": THRIFT_PROTOCOL_AUTO, "binary": THRIFT_BINARY, "binary/non-strict": THRIFT_BINARY_LAX, "compact": THRIFT_COMPACT,
    "twitter": THRIFT_TWITTER,
}
ERRORS = tuple(thrift_error_name(error).decode() for error in range(1, THRIFT_ERRORS))
RANGES = {THRIFT_BYTE: 1 << 7, THRIFT_I16: 1 << 15, THRIFT_I32: 1 << 31, THRIFT_I64: 1 << 63}

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


cdef class _Values:
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
            if event.type == THRIFT_DOUBLE:
                return event.real
            return event.number
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


cdef class _Writing:
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
