"""Loop: libuv's loop with our clock and timing wheel. See loop.pxd for the law.

One uv_timer rings for the wheel's next deadline, so a request costs no uv_timer of its own. The prepare hook runs before libuv sleeps:
it hands on what the iteration gathered, fires due timers and sets the alarm. With a ring (io/ring) that is where the thread sleeps, and
libuv's loop is run when it has something.
"""
from libc.stdlib cimport free, malloc

from meshcore.base.arena cimport pool_fini, pool_init
from meshcore.base.buffer cimport buffers_fini, buffers_init
from meshcore.base.clock cimport clock_init, clock_ms, clock_stale
from meshcore.base.random cimport random_init
from meshcore.base.slab cimport slab_fini, slab_init
from meshcore.base.wheel cimport wheel_advance, wheel_init, wheel_next
from meshcore.io.ring cimport Ring, ring_close, ring_open, ring_wait
from meshcore.io.transport cimport transport_flush_all, transport_flush_late_ones, transport_loop_end, transport_size
from meshcore.io.uv cimport *

cdef uint64_t NEVER = <uint64_t>-1

cdef enum:
    CHUNKS_KEPT = 512              # free 16 KiB chunks a worker keeps
    BLOCKS_KEPT = 1024             # free 4 KiB arena blocks a worker keeps
    LONGEST_MS = 60000             # of one sleep
    ROUNDS = 2                     # polls per step of an embedded loop: the host's other work waits meanwhile


cdef void on_alarm(uv_timer_t *timer) noexcept nogil:
    cdef Loop *loop = <Loop *>timer.data
    loop.alarm_ms = NEVER


cdef void on_async(uv_async_t *handle) noexcept nogil:
    cdef Loop *loop = <Loop *>handle.data
    if loop.on_wake != NULL:
        loop.on_wake(loop)
    transport_flush_all(loop)


cdef uint64_t end_iteration(Loop *loop, uint64_t now) noexcept nogil:
    # Hands on what was gathered; the wheel's next deadline.
    wheel_advance(&loop.wheel, now)
    transport_flush_late_ones(loop)
    if loop.on_tick != NULL:
        loop.on_tick(loop)
    return wheel_next(&loop.wheel)


cdef void on_prepare(uv_prepare_t *handle) noexcept nogil:
    cdef Loop *loop = <Loop *>handle.data
    cdef uint64_t now
    cdef uint64_t next
    if loop.ring != NULL:
        return
    now = clock_ms(&loop.clock)
    next = end_iteration(loop, now)
    if next < loop.alarm_ms:
        uv_update_time(&loop.uv)
        loop.alarm_ms = next
        uv_timer_start(&loop.alarm, on_alarm, next - now if next > now else 0, 0)
    clock_stale(&loop.clock)


cdef int loop_init(Loop *loop, LoopHook on_wake, LoopHook on_tick, void *owner) noexcept nogil:
    cdef int error = uv_loop_init(&loop.uv)
    if error < 0:
        return error
    loop.on_wake = on_wake
    loop.on_tick = on_tick
    loop.owner = owner
    loop.handles = 0
    loop.dirty = NULL
    loop.late = NULL
    loop.stats = NULL
    loop.tls = NULL
    loop.ring = NULL
    loop.stopping = False
    loop.arrived_len = 0
    loop.alarm_ms = NEVER
    loop.scratch = <char *>malloc(SCRATCH)
    if loop.scratch == NULL:
        uv_loop_close(&loop.uv)
        return UV_ENOMEM
    clock_init(&loop.clock)
    wheel_init(&loop.wheel, clock_ms(&loop.clock))
    buffers_init(&loop.buffers, CHUNKS_KEPT)
    pool_init(&loop.blocks, BLOCKS_KEPT)
    slab_init(&loop.transports, transport_size())
    random_init(&loop.random)
    uv_timer_init(&loop.uv, &loop.alarm)
    uv_prepare_init(&loop.uv, &loop.prepare)
    uv_async_init(&loop.uv, &loop.wake, on_async)
    loop.alarm.data = loop
    loop.prepare.data = loop
    loop.wake.data = loop
    uv_prepare_start(&loop.prepare, on_prepare)
    return 0


cdef void loop_run(Loop *loop, bint ring) noexcept nogil:
    loop.stopping = False
    if ring and ring_open(loop) == 0:
        run_ring(loop)
        ring_close(loop)
    else:
        uv_run(&loop.uv, UV_RUN_DEFAULT)


cdef void run_ring(Loop *loop) noexcept nogil:
    cdef Ring *ring = <Ring *>loop.ring
    cdef uint64_t now
    cdef uint64_t next
    ring.uv_due = True
    while True:
        now = clock_ms(&loop.clock)
        next = end_iteration(loop, now)
        if ring.uv_due or uv_backend_timeout(&loop.uv) == 0:
            # libuv's events are an iteration of their own: what the ring's have left to send goes before them.
            ring.uv_due = False
            uv_run(&loop.uv, UV_RUN_NOWAIT)
            if loop.stopping:
                return
            clock_stale(&loop.clock)
            now = clock_ms(&loop.clock)
            next = end_iteration(loop, now)
        if next <= now or uv_backend_timeout(&loop.uv) == 0:
            ring_wait(loop, 0)     # libuv has watchers to tell the kernel of, or handles to close
        else:
            ring_wait(loop, <int>(next - now) if next - now < LONGEST_MS else LONGEST_MS)


cdef void loop_run_once(Loop *loop) noexcept nogil:
    # A NOWAIT run polls after its prepare hook: what the poll gathered is handed on here, and watchers that this started are only in the
    # kernel's set after another poll (uv_backend_timeout is 0 until then).
    cdef int _i
    clock_stale(&loop.clock)
    for _i in range(ROUNDS):
        uv_run(&loop.uv, UV_RUN_NOWAIT)
        on_prepare(&loop.prepare)
        if uv_backend_timeout(&loop.uv) != 0:
            return


cdef void loop_stop(Loop *loop) noexcept nogil:
    loop.stopping = True
    uv_stop(&loop.uv)


cdef void loop_fini(Loop *loop) noexcept nogil:
    uv_close(<uv_handle_t *>&loop.alarm, NULL)
    uv_close(<uv_handle_t *>&loop.prepare, NULL)
    uv_close(<uv_handle_t *>&loop.wake, NULL)
    uv_run(&loop.uv, UV_RUN_DEFAULT)
    uv_loop_close(&loop.uv)
    buffers_fini(&loop.buffers)
    pool_fini(&loop.blocks)
    slab_fini(&loop.transports)
    transport_loop_end(loop)
    free(loop.scratch)


cdef void loop_wake(Loop *loop) noexcept nogil:
    uv_async_send(&loop.wake)


cdef int loop_fd(Loop *loop) noexcept nogil:
    return uv_backend_fd(&loop.uv)


cdef int loop_timeout_ms(Loop *loop) noexcept nogil:
    return uv_backend_timeout(&loop.uv)


cdef const char *loop_error_text(int error) noexcept nogil:
    return uv_strerror(error)
