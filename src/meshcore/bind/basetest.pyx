"""Python face of base/, for tests, benchmarks and sanitizers only: nothing in the engine or in `mesh` may import it.

Each class wraps one struct and calls one function per method, so that a test can hold it against a model. Must add no behaviour.
Runs on the caller's thread under the GIL; the memory goes with the objects.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from meshcore.base.arena cimport Arena, BlockPool, arena_copy, arena_fini, arena_init, arena_take, pool_fini, pool_init
from meshcore.base.buffer cimport *
from meshcore.base.clock cimport Clock, clock_init, clock_ms, clock_ns, clock_stale, clock_wall_us
from meshcore.base.hash cimport mix64 as c_mix64, xxhash64 as c_xxhash64
from meshcore.base.random cimport Random, random_init, random_seed, random_u64
from meshcore.base.slab cimport Slab, slab_fini, slab_free, slab_init, slab_new
from meshcore.base.span cimport *
from meshcore.base.wheel cimport *

cdef enum:
    IOVECS_MAX = 1024

chunk_bytes = CHUNK


def xxhash64(bytes data, uint64_t seed=0):
    return c_xxhash64(<const char *>data, len(data), seed)


def mix64(uint64_t x):
    return c_mix64(x)


cdef bytes taken(Span s):
    return PyBytes_FromStringAndSize(s.at, s.len) if s.len > 0 else b""


cdef Span given(bytes data):
    return span(<const char *>data, len(data))


def equal_nocase(bytes a, bytes b):
    return bool(span_equal_nocase(given(a), given(b)))


def is_nocase(bytes a, bytes lower_text):
    return bool(span_is_nocase(given(a), lower_text, len(lower_text)))


def find(bytes a, int c):
    return span_find(given(a), <char>c)


def trim(bytes a):
    return taken(span_trim(given(a)))


def tokens(bytes text):
    cdef Span rest = given(text)
    cdef Span token
    out = []
    while span_next_token(&rest, &token):
        out.append(taken(token))
    return out


def has_token(bytes text, bytes lower_text):
    return bool(list_has(given(text), lower_text, len(lower_text)))


def parse_number(bytes text):
    """The number, or None where parse_u64 says no."""
    cdef uint64_t out = 0
    return out if parse_u64(given(text), &out) else None


def decimal(uint64_t v):
    cdef char out[20]
    return PyBytes_FromStringAndSize(out, write_u64(out, v))


def hexadecimal(uint64_t v):
    cdef char out[16]
    return PyBytes_FromStringAndSize(out, write_hex(out, v))


cdef class Pool:
    """A BufferPool. Every Buffer of it must be gone, or empty, before it goes."""

    cdef BufferPool pool

    def __cinit__(self, uint32_t free_max=8):
        buffers_init(&self.pool, free_max)

    def __dealloc__(self):
        buffers_fini(&self.pool)

    @property
    def live_chunks(self):
        return self.pool.live

    @property
    def free_chunks(self):
        return self.pool.free_len

    @property
    def live_slices(self):
        return self.pool.slices.live


cdef class Chain:
    """A Buffer of a Pool."""

    cdef Pool pool
    cdef Buffer buffer
    cdef list borrowed

    def __cinit__(self, Pool pool):
        self.pool = pool
        self.borrowed = []
        buffer_init(&self.buffer)

    def __dealloc__(self):
        buffer_fini(&self.pool.pool, &self.buffer)

    def __len__(self):
        return self.buffer.len

    def copy(self, bytes data):
        return bool(buffer_copy(&self.pool.pool, &self.buffer, data, len(data)))

    def borrow(self, bytes data):
        self.borrowed.append(data)
        return bool(buffer_borrow(&self.pool.pool, &self.buffer, data, len(data)))

    def own(self):
        return bool(buffer_own(&self.pool.pool, &self.buffer))

    def reserve(self, size_t n, bytes data):
        """Reserves n bytes and commits `data`, at most n of them. False when there was no memory."""
        cdef char *room = buffer_reserve(&self.pool.pool, &self.buffer, n)
        if room == NULL:
            return False
        assert len(data) <= n
        memcpy(room, <const char *>data, len(data))
        buffer_commit(&self.buffer, len(data))
        return True

    def drain(self, uint64_t n):
        buffer_drain(&self.pool.pool, &self.buffer, n)

    def clear(self):
        buffer_fini(&self.pool.pool, &self.buffer)

    def move(self, Chain source):
        self.borrowed += source.borrowed
        buffer_move(&self.buffer, &source.buffer)

    def share(self, Chain source):
        return bool(buffer_share(&self.pool.pool, &self.buffer, &source.buffer))

    def read(self, uint64_t n):
        out = bytearray(n)
        cdef char *at = out
        buffer_read(&self.buffer, at, n)
        return bytes(out)

    def iovecs(self, int cap=IOVECS_MAX):
        cdef iovec out[IOVECS_MAX]
        cdef int n = buffer_iovecs(&self.buffer, out, min(cap, IOVECS_MAX))
        return [PyBytes_FromStringAndSize(<char *>out[i].iov_base, out[i].iov_len) for i in range(n)]


cdef struct Alarm:
    Timer timer
    uint32_t name
    uint64_t again_ms              # armed anew by that much when it fires; 0: not
    Alarm *victim                  # cancelled when it fires
    Alarms *owner

cdef struct Alarms:
    Wheel wheel
    uint32_t n
    uint32_t cap
    uint32_t *names                # of what has fired, in order
    uint64_t *times


cdef void alarm_fire(Timer *timer) noexcept nogil:
    cdef Alarm *alarm = <Alarm *>timer.owner
    cdef Alarms *all = alarm.owner
    if all.n < all.cap:
        all.names[all.n] = alarm.name
        all.times[all.n] = all.wheel.now_ms
        all.n += 1
    if alarm.victim != NULL:
        timer_cancel(&all.wheel, &alarm.victim.timer)
    if alarm.again_ms > 0:
        wheel_arm(&all.wheel, timer, all.wheel.now_ms + alarm.again_ms)


cdef class Alarmed:
    """A Wheel with `n` timers, named 0 to n - 1."""

    cdef Alarms alarms
    cdef Alarm *timers
    cdef uint32_t n

    def __cinit__(self, uint64_t now_ms, uint32_t n, uint32_t fires_max=100000):
        cdef uint32_t i
        wheel_init(&self.alarms.wheel, now_ms)
        self.n = n
        self.alarms.n = 0
        self.alarms.cap = fires_max
        self.timers = <Alarm *>malloc(n * sizeof(Alarm))
        self.alarms.names = <uint32_t *>malloc(fires_max * sizeof(uint32_t))
        self.alarms.times = <uint64_t *>malloc(fires_max * sizeof(uint64_t))
        if self.timers == NULL or self.alarms.names == NULL or self.alarms.times == NULL:
            raise MemoryError
        memset(self.timers, 0, n * sizeof(Alarm))
        for i in range(n):
            timer_init(&self.timers[i].timer, alarm_fire, &self.timers[i])
            self.timers[i].name = i
            self.timers[i].owner = &self.alarms

    def __dealloc__(self):
        free(self.timers)
        free(self.alarms.names)
        free(self.alarms.times)

    def arm(self, uint32_t i, uint64_t due_ms):
        assert i < self.n
        wheel_arm(&self.alarms.wheel, &self.timers[i].timer, due_ms)

    def cancel(self, uint32_t i):
        assert i < self.n
        timer_cancel(&self.alarms.wheel, &self.timers[i].timer)

    def repeat(self, uint32_t i, uint64_t again_ms):
        self.timers[i].again_ms = again_ms

    def kill(self, uint32_t i, uint32_t victim):
        """When i fires, it cancels `victim`."""
        self.timers[i].victim = &self.timers[victim]

    def is_armed(self, uint32_t i):
        return bool(timer_armed(&self.timers[i].timer))

    def advance(self, uint64_t now_ms):
        """What fired, as (name, time of the wheel) in order."""
        cdef uint32_t i
        self.alarms.n = 0
        with nogil:
            wheel_advance(&self.alarms.wheel, now_ms)
        return [(self.alarms.names[i], self.alarms.times[i]) for i in range(self.alarms.n)]

    @property
    def next(self):
        cdef uint64_t at = wheel_next(&self.alarms.wheel)
        return None if at == <uint64_t>-1 else at

    @property
    def now(self):
        return self.alarms.wheel.now_ms

    @property
    def armed(self):
        return self.alarms.wheel.armed


cdef class Xoshiro:
    """A Random; seeded from the system when `seed` is None."""

    cdef Random random

    def __cinit__(self, seed=None):
        if seed is None:
            random_init(&self.random)
        else:
            random_seed(&self.random, seed)

    def u64(self):
        return random_u64(&self.random)


cdef class Blocks:
    """A BlockPool and one Arena of it."""

    cdef BlockPool pool
    cdef Arena arena

    def __cinit__(self, uint32_t free_max=4):
        pool_init(&self.pool, free_max)
        arena_init(&self.arena, &self.pool)

    def __dealloc__(self):
        arena_fini(&self.arena)
        pool_fini(&self.pool)

    def take(self, size_t n, int fill):
        """The address of n bytes, all set to `fill`; None when there was no memory."""
        cdef void *at = arena_take(&self.arena, n)
        if at != NULL:
            memset(at, fill, n)
        return None if at == NULL else <uintptr_t>at

    def copy(self, bytes data):
        cdef char *at = arena_copy(&self.arena, data, len(data))
        return None if at == NULL else <uintptr_t>at

    def reset(self):
        arena_fini(&self.arena)

    @property
    def live(self):
        return self.pool.live

    @property
    def kept(self):
        return self.pool.free_len


def peek(uintptr_t address, size_t n):
    """The bytes at an address that `Blocks.take` or `Structs.new` gave out."""
    return PyBytes_FromStringAndSize(<const char *>address, n)


cdef class Structs:
    """A Slab."""

    cdef Slab slab

    def __cinit__(self, size_t size):
        slab_init(&self.slab, size)

    def __dealloc__(self):
        slab_fini(&self.slab)

    def new(self, int fill):
        cdef void *at = slab_new(&self.slab)
        if at != NULL:
            memset(at, fill, self.slab.size)
        return None if at == NULL else <uintptr_t>at

    def free(self, uintptr_t address):
        slab_free(&self.slab, <void *>address)

    @property
    def live(self):
        return self.slab.live

    @property
    def size(self):
        return self.slab.size


cdef class Watch:
    """A Clock; `freeze` makes it stand at a time."""

    cdef Clock clock

    def __cinit__(self):
        clock_init(&self.clock)

    def stale(self):
        clock_stale(&self.clock)

    def freeze(self, uint64_t now_ns):
        self.clock.frozen = True
        self.clock.fresh = True
        self.clock.now_ns = now_ns

    @property
    def ns(self):
        return clock_ns(&self.clock)

    @property
    def ms(self):
        return clock_ms(&self.clock)

    @property
    def wall_us(self):
        return clock_wall_us(&self.clock)
