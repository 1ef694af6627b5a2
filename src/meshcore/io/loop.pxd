# Loop: one worker's event loop, with what every connection of that worker shares: clock, timing wheel, buffer pools, random numbers and
# the one scratch buffer that all reads go into.
#
# Lives on one thread. Only loop_wake may be called from another. `on_wake` runs on the loop's thread after a wake, `on_tick` once at the end
# of every iteration that did something (before the loop sleeps again): what was gathered during the iteration is handed on there.
from libc.stdint cimport uint32_t, uint64_t

from meshcore.base.arena cimport BlockPool
from meshcore.base.buffer cimport BufferPool
from meshcore.base.clock cimport Clock
from meshcore.base.random cimport Random
from meshcore.base.slab cimport Slab
from meshcore.base.wheel cimport Wheel
from meshcore.io.uv cimport uv_async_t, uv_loop_t, uv_prepare_t, uv_timer_t

cdef enum:
    SCRATCH = 256 * 1024           # one read takes at most this much

ctypedef void (*LoopHook)(Loop *loop) noexcept nogil

cdef struct Loop:
    uv_loop_t uv
    uv_timer_t alarm               # the wheel's next deadline
    uint64_t alarm_ms              # when it rings; 2^64-1: not set
    uv_prepare_t prepare
    uv_async_t wake
    Clock clock
    Wheel wheel
    BufferPool buffers
    BlockPool blocks
    Slab transports
    Random random
    char *scratch
    LoopHook on_wake
    LoopHook on_tick
    void *owner
    uint32_t handles               # open transports and listeners (for leak checks)
    uint64_t *stats                # this worker's counters; set by its owner
    void *tls                      # io/tls's; NULL: no TLS connection yet
    void *ring                     # io/ring's; NULL: the loop waits for readiness
    bint stopping
    const char *arrived            # what the ring has for transport_take; arrived_len 0: nothing
    size_t arrived_len
    void *dirty                    # transports with output that leaves at the end of this event
    void *late                     # ... and before the loop sleeps

cdef int loop_init(Loop *loop, LoopHook on_wake, LoopHook on_tick, void *owner) noexcept nogil        # 0, or a negative errno
cdef void loop_run(Loop *loop, bint ring) noexcept nogil      # until loop_stop; `ring`: with io_uring, if the kernel has it for us
cdef void loop_run_once(Loop *loop) noexcept nogil            # what is ready now; never sleeps
cdef void loop_stop(Loop *loop) noexcept nogil
cdef void loop_fini(Loop *loop) noexcept nogil                # after all handles were closed
cdef void loop_wake(Loop *loop) noexcept nogil                # any thread
cdef int loop_fd(Loop *loop) noexcept nogil                   # readable when loop_run_once has work (embedding)
cdef int loop_timeout_ms(Loop *loop) noexcept nogil           # how long until loop_run_once has work without I/O; -1 = never
cdef const char *loop_error_text(int error) noexcept nogil
