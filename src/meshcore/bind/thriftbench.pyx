"""Loops over the Thrift codec without Python in them, for bench/micro only: nothing in the engine or in `mesh` may import it.

Each function does its work `n` times over the same bytes and answers nothing, so that the time of the call divided by `n` is what
the engine pays. Runs on the caller's thread, without the GIL inside a loop.
"""
from libc.stdint cimport uint8_t, uint32_t

from meshcore.base.buffer cimport *
from meshcore.base.span cimport Span
from meshcore.codec.thrift cimport *
from meshcore.codec.thrift_read cimport *
from meshcore.codec.thrift_skip cimport thrift_skip
from meshcore.codec.thrift_stream cimport *
from meshcore.codec.thrift_write cimport *


cdef struct Bench:
    ThriftLimits limits
    ThriftReader reader
    const char *start
    const char *end
    const char *at
    uint8_t protocol
    int result


cdef void begin(Bench *bench, bytes raw, bint compact):
    thrift_limits_default(&bench.limits)
    bench.start = raw
    bench.end = bench.start + len(raw)
    bench.protocol = THRIFT_COMPACT if compact else THRIFT_BINARY
    bench.result = THRIFT_OK


cdef inline void again(Bench *bench) noexcept nogil:
    bench.at = bench.start
    thrift_read_begin(&bench.reader, bench.protocol, THRIFT_STRUCT, bench.end - bench.start, &bench.limits)


def skip(bytes raw, bint compact, uint32_t n):
    """A struct is passed over."""
    cdef Bench bench
    cdef uint32_t _
    begin(&bench, raw, compact)
    with nogil:
        for _ in range(n):
            again(&bench)
            bench.result = thrift_skip(&bench.reader, &bench.at, bench.end)
    assert bench.result == THRIFT_OK and bench.at == bench.end


def read_events(bytes raw, bint compact, uint32_t n):
    """A struct is read to its last event."""
    cdef Bench bench
    cdef ThriftEvent event
    cdef uint32_t _
    begin(&bench, raw, compact)
    with nogil:
        for _ in range(n):
            again(&bench)
            bench.result = THRIFT_OK
            while bench.result == THRIFT_OK:
                bench.result = thrift_read_next(&bench.reader, &bench.at, bench.end, &event)
    assert bench.result == THRIFT_DONE and bench.at == bench.end


def convert(bytes raw, bint compact, uint32_t n):
    """A struct is written again in the other protocol."""
    cdef Bench bench
    cdef ThriftWriter writer
    cdef BufferPool pool
    cdef Buffer out
    cdef uint32_t _
    begin(&bench, raw, compact)
    buffers_init(&pool, 64)
    buffer_init(&out)
    with nogil:
        for _ in range(n):
            again(&bench)
            thrift_write_begin(&writer, THRIFT_BINARY if compact else THRIFT_COMPACT, &pool, &out)
            bench.result = thrift_convert(&bench.reader, &bench.at, bench.end, &writer)
            buffer_fini(&pool, &out)
    buffers_fini(&pool)
    assert bench.result == THRIFT_DONE and bench.at == bench.end


def pass_message(bytes raw, uint32_t n):
    """A whole message as a proxy passes it on: frame and envelope are read, the payload goes by."""
    cdef Bench bench
    cdef ThriftStream stream
    cdef Span piece
    cdef uint32_t _
    begin(&bench, raw, False)
    thrift_stream_init(&stream, THRIFT_TRANSPORT_AUTO, THRIFT_PROTOCOL_AUTO, &bench.limits, &bench.reader)
    with nogil:
        for _ in range(n):
            bench.at = bench.start
            bench.result = STREAM_MESSAGE
            while bench.result == STREAM_MESSAGE or bench.result == STREAM_BYTES:
                bench.result = thrift_stream_next(&stream, &bench.at, bench.end, &piece)
    assert bench.result == STREAM_END and bench.at == bench.end
