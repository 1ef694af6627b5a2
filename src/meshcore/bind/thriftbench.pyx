"""Loops over the Thrift codec without Python in them, for bench/micro only: nothing in the engine or in `mesh` may import it.

Each function does its work `n` times over the same bytes and answers nothing, so that the time of the call divided by `n` is what
the engine pays. Runs on the caller's thread, without the GIL inside a loop.
"""
from libc.stdint cimport uint32_t

from meshcore.base.buffer cimport *
from meshcore.base.span cimport Span
from meshcore.codec.thrift cimport *
from meshcore.codec.thrift_read cimport *
from meshcore.codec.thrift_skip cimport thrift_skip
from meshcore.codec.thrift_stream cimport *
from meshcore.codec.thrift_write cimport *


def skip(bytes raw, bint compact, uint32_t n):
    """A struct is passed over."""
    cdef ThriftLimits limits
    cdef ThriftReader reader
    cdef const char *start = raw
    cdef const char *end = start + len(raw)
    cdef const char *at = start
    cdef int result = THRIFT_OK
    cdef uint32_t _
    thrift_limits_default(&limits)
    with nogil:
        for _ in range(n):
            at = start
            thrift_read_begin(&reader, THRIFT_COMPACT if compact else THRIFT_BINARY, THRIFT_STRUCT, end - start, &limits)
            result = thrift_skip(&reader, &at, end)
    assert result == THRIFT_OK and at == end


def read_events(bytes raw, bint compact, uint32_t n):
    """A struct is read to its last event."""
    cdef ThriftLimits limits
    cdef ThriftReader reader
    cdef ThriftEvent event
    cdef const char *start = raw
    cdef const char *end = start + len(raw)
    cdef const char *at = start
    cdef int result = THRIFT_OK
    cdef uint32_t _
    thrift_limits_default(&limits)
    with nogil:
        for _ in range(n):
            at = start
            thrift_read_begin(&reader, THRIFT_COMPACT if compact else THRIFT_BINARY, THRIFT_STRUCT, end - start, &limits)
            result = THRIFT_OK
            while result == THRIFT_OK:
                result = thrift_read_next(&reader, &at, end, &event)
    assert result == THRIFT_DONE and at == end


def convert(bytes raw, bint compact, uint32_t n):
    """A struct is written again in the other protocol."""
    cdef ThriftLimits limits
    cdef ThriftReader reader
    cdef ThriftWriter writer
    cdef BufferPool pool
    cdef Buffer out
    cdef const char *start = raw
    cdef const char *end = start + len(raw)
    cdef const char *at = start
    cdef int result = THRIFT_OK
    cdef uint32_t _
    thrift_limits_default(&limits)
    buffers_init(&pool, 64)
    buffer_init(&out)
    with nogil:
        for _ in range(n):
            at = start
            thrift_read_begin(&reader, THRIFT_COMPACT if compact else THRIFT_BINARY, THRIFT_STRUCT, end - start, &limits)
            thrift_write_begin(&writer, THRIFT_BINARY if compact else THRIFT_COMPACT, &pool, &out)
            result = thrift_convert(&reader, &at, end, &writer)
            buffer_fini(&pool, &out)
    buffers_fini(&pool)
    assert result == THRIFT_DONE and at == end


def pass_message(bytes raw, uint32_t n):
    """A whole message as a proxy passes it on: frame and envelope are read, the payload goes by."""
    cdef ThriftLimits limits
    cdef ThriftReader reader
    cdef ThriftStream stream
    cdef Span piece
    cdef const char *start = raw
    cdef const char *end = start + len(raw)
    cdef const char *at = start
    cdef int event = STREAM_MORE
    cdef uint32_t _
    thrift_limits_default(&limits)
    thrift_stream_init(&stream, THRIFT_TRANSPORT_AUTO, THRIFT_PROTOCOL_AUTO, &limits, &reader)
    with nogil:
        for _ in range(n):
            at = start
            event = STREAM_MESSAGE
            while event == STREAM_MESSAGE or event == STREAM_BYTES:
                event = thrift_stream_next(&stream, &at, end, &piece)
    assert event == STREAM_END and at == end
