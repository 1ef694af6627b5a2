"""Loops over the codec and the buffer chain without Python in them, for bench/micro only: nothing in the engine or in `mesh` may
import it.

Each function does its work `n` times and returns nothing, so that the time of the call divided by `n` is what the engine pays.
Runs on the caller's thread, without the GIL inside a loop.
"""
from libc.stdint cimport uint32_t, uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from meshcore.base.arena cimport Arena, BlockPool, arena_fini, arena_init, pool_fini, pool_init
from meshcore.base.buffer cimport *
from meshcore.base.span cimport Span
from meshcore.base.wheel cimport *
from meshcore.codec.head cimport *
from meshcore.codec.http1 cimport *
from meshcore.codec.http1_body cimport http1_body_begin, http1_body_next
from meshcore.codec.http1_parse cimport http1_parse_request, http1_parse_response
from meshcore.codec.http1_picohttp cimport *
from meshcore.codec.http1_write cimport http1_head_bound, http1_write_request

from meshcore._native import _picohttp

cdef enum:
    HEADERS_MAX = 100
    IOVECS = 16


cdef struct Bench:
    BlockPool pool
    Arena arena
    Head head
    Http1Options options
    Http1Message message


cdef void begin(Bench *bench) noexcept nogil:
    pool_init(&bench.pool, 4)
    arena_init(&bench.arena, &bench.pool)
    memset(&bench.options, 0, sizeof(Http1Options))
    bench.options.max_head_bytes = 61440
    bench.options.max_headers = HEADERS_MAX
    bench.options.allow_absolute_url = True


cdef void finish(Bench *bench) noexcept nogil:
    arena_fini(&bench.arena)
    pool_fini(&bench.pool)


cdef uintptr_t address_of(name) except 0:
    ffi, lib = _picohttp.ffi, _picohttp.lib
    prefix = "sse42" if lib.sse42_usable() else "phr"
    return int(ffi.cast("uintptr_t", ffi.addressof(lib, f"{prefix}_{name}")))


def picohttp_request(bytes raw, uint32_t n):
    """The bare parser, as the floor: spans and nothing else."""
    cdef phr_request_fn parse = <phr_request_fn>address_of("parse_request")
    cdef phr_header headers[HEADERS_MAX]
    cdef size_t headers_len
    cdef const char *method
    cdef const char *path
    cdef size_t method_len
    cdef size_t path_len
    cdef int minor
    cdef const char *at = raw
    cdef size_t length = len(raw)
    cdef int result = 0
    cdef uint32_t _i
    with nogil:
        for _i in range(n):
            headers_len = HEADERS_MAX
            result = parse(at, length, &method, &method_len, &path, &path_len, &minor, headers, &headers_len, 0)
    assert result == <int>length


cdef int parse_once(Bench *bench, const char *at, size_t length, bint response, size_t *used) noexcept nogil:
    cdef int result
    head_init(&bench.head, &bench.arena, response)
    if response:
        result = http1_parse_response(at, length, 0, &bench.options, False, False, &bench.head, &bench.message, used)
    else:
        result = http1_parse_request(at, length, 0, &bench.options, &bench.head, &bench.message, used)
    arena_fini(&bench.arena)
    return result


cdef parse(bytes raw, uint32_t n, bint response):
    cdef Bench bench
    cdef const char *at = raw
    cdef size_t length = len(raw)
    cdef size_t used = 0
    cdef int result = HTTP1_OK
    cdef uint32_t _i
    begin(&bench)
    with nogil:
        for _i in range(n):
            result = parse_once(&bench, at, length, response, &used)
    finish(&bench)
    assert result == HTTP1_OK and used == length


def parse_request(bytes raw, uint32_t n):
    """A whole request head into a Head: arena, names, framing, target, and back to the pool."""
    parse(raw, n, False)


def parse_response(bytes raw, uint32_t n):
    parse(raw, n, True)


def write_request(bytes raw, uint32_t n):
    """Parses `raw` once and writes its head n times."""
    cdef Bench bench
    cdef const char *at = raw
    cdef size_t length = len(raw)
    cdef size_t used = 0
    cdef size_t written = 0
    cdef int result
    cdef char *out
    cdef uint32_t _i
    begin(&bench)
    head_init(&bench.head, &bench.arena, False)
    result = http1_parse_request(at, length, 0, &bench.options, &bench.head, &bench.message, &used)
    assert result == HTTP1_OK
    out = <char *>malloc(http1_head_bound(&bench.head))
    with nogil:
        for _i in range(n):
            written = http1_head_bound(&bench.head)
            written = http1_write_request(&bench.head, &bench.options, False, out)
    free(out)
    finish(&bench)
    assert written > 0


def read_chunked(bytes raw, uint32_t n):
    """A chunked body, without its head, into spans."""
    cdef Bench bench
    cdef Http1Body body
    cdef const char *start = raw
    cdef const char *end = start + len(raw)
    cdef const char *at
    cdef Span data
    cdef int event = EVENT_MORE
    cdef uint32_t _i
    begin(&bench)
    bench.message.framing = BODY_CHUNKED
    with nogil:
        for _i in range(n):
            at = start
            http1_body_begin(&body, &bench.message)
            while True:
                event = http1_body_next(&body, &at, end, &bench.options, NULL, &data)
                if event != EVENT_BODY:
                    break
    finish(&bench)
    assert event == EVENT_DONE


def buffer_copy_drain(uint32_t size, uint32_t n):
    """`size` bytes are copied in, laid out for writev, and drained."""
    cdef BufferPool pool
    cdef Buffer buffer
    cdef iovec vectors[IOVECS]
    cdef char *bytes_ = <char *>malloc(size)
    cdef bint good = True
    cdef uint32_t _i
    if bytes_ == NULL:
        raise MemoryError
    memset(bytes_, 1, size)
    buffers_init(&pool, 64)
    buffer_init(&buffer)
    with nogil:
        for _i in range(n):
            good = good and buffer_copy(&pool, &buffer, bytes_, size)
            buffer_iovecs(&buffer, vectors, IOVECS)
            buffer_drain(&pool, &buffer, size)
    buffer_fini(&pool, &buffer)
    buffers_fini(&pool)
    free(bytes_)
    assert good and buffer.len == 0


def buffer_borrow_drain(uint32_t size, uint32_t n):
    """The same without a copy: bytes of the read buffer that go out in the same callback."""
    cdef BufferPool pool
    cdef Buffer buffer
    cdef iovec vectors[IOVECS]
    cdef char *bytes_ = <char *>malloc(size)
    cdef bint good = True
    cdef uint32_t _i
    if bytes_ == NULL:
        raise MemoryError
    buffers_init(&pool, 64)
    buffer_init(&buffer)
    with nogil:
        for _i in range(n):
            good = good and buffer_borrow(&pool, &buffer, bytes_, size)
            buffer_iovecs(&buffer, vectors, IOVECS)
            buffer_drain(&pool, &buffer, size)
    buffers_fini(&pool)
    free(bytes_)
    assert good


def buffer_share_move(uint32_t size, uint32_t n):
    """A body that waits is shared (a shadow request) and the share is moved and dropped."""
    cdef BufferPool pool
    cdef Buffer source
    cdef Buffer shared
    cdef Buffer moved
    cdef char *bytes_ = <char *>malloc(size)
    cdef bint good
    cdef uint32_t _i
    if bytes_ == NULL:
        raise MemoryError
    memset(bytes_, 1, size)
    buffers_init(&pool, 64)
    buffer_init(&source)
    buffer_init(&shared)
    buffer_init(&moved)
    good = buffer_copy(&pool, &source, bytes_, size)
    with nogil:
        for _i in range(n):
            good = good and buffer_share(&pool, &shared, &source)
            buffer_move(&moved, &shared)
            buffer_fini(&pool, &moved)
    buffer_fini(&pool, &source)
    buffers_fini(&pool)
    free(bytes_)
    assert good


cdef void nothing(Timer *timer) noexcept nogil:
    pass


def wheel_arm_cancel(uint32_t ahead_ms, uint32_t n):
    """The timeout of a request: armed, and cancelled when the answer is there."""
    cdef Wheel *wheel = <Wheel *>malloc(sizeof(Wheel))
    cdef Timer timer
    cdef uint32_t _i
    if wheel == NULL:
        raise MemoryError
    wheel_init(wheel, 1000)
    timer_init(&timer, nothing, NULL)
    with nogil:
        for _i in range(n):
            wheel_arm(wheel, &timer, 1000 + ahead_ms)
            timer_cancel(wheel, &timer)
    free(wheel)


def wheel_arm_fire(uint32_t step_ms, uint32_t n):
    """A timer that fires `n` times, `step_ms` apart."""
    cdef Wheel *wheel = <Wheel *>malloc(sizeof(Wheel))
    cdef Timer timer
    cdef uint32_t _i
    if wheel == NULL:
        raise MemoryError
    wheel_init(wheel, 0)
    timer_init(&timer, nothing, NULL)
    with nogil:
        for _i in range(n):
            wheel_arm(wheel, &timer, wheel.now_ms + step_ms)
            wheel_advance(wheel, wheel.now_ms + step_ms)
    free(wheel)
