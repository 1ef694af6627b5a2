# Ring: the kernel's completion queue (io_uring) beside libuv's loop, for the bytes of connected sockets. Optional: a loop without one
# waits for readiness and reads and writes by system calls.
#
# A transport that reads is armed once: the kernel receives into the ring's own buffers whenever bytes come, and says so. What is sent is
# copied to the staging area (but for TLS, which writes itself) and goes to the kernel with everything else when the loop sleeps: one system
# call for an iteration. All other handles stay libuv's; the ring watches libuv's descriptor. Bytes that a hook is given live until the event
# is over, as on readiness.
#
# A descriptor must not be closed while something that names it waits here to be submitted: its number could be another's by then. So
# transport_close submits what is staged, and an armed transport keeps its descriptor until the kernel has let it go. One thread: the one
# that opened it.
from libc.stdint cimport uint32_t, uint64_t

from meshcore.io.loop cimport Loop
from meshcore.io.transport cimport Transport
from meshcore.io.uring cimport io_uring, io_uring_buf_ring

cdef enum:
    RING_SENDS = 512               # sends that wait for one submission, at most
    RING_SEND_MAX = 8192           # bytes of one; more goes by a system call of its own and is not copied
    RING_STAGING = 256 * 1024

cdef enum Armed:
    ARMED_NOT
    ARMED
    ARMED_LEAVING                  # was cancelled, or ends by itself: one more event comes

cdef struct Staged:
    Transport *transport
    const char *at
    uint32_t len

cdef struct Ring:
    io_uring uring
    io_uring_buf_ring *lent        # buffers that the kernel may fill
    char *buffers
    uint32_t buffers_lent          # how many of them circulate: as many as a burst has needed
    uint32_t given                 # given back since the kernel was told
    uint32_t armed                 # transports that the kernel knows
    Staged sends[RING_SENDS]       # [0] is never used: a transport with `staged` 0 has none
    uint32_t sends_len
    uint32_t staging_used
    char *staging
    bint watches_uv
    bint uv_due

cdef int ring_open(Loop *loop) noexcept nogil                                  # 0, or a negative errno: the kernel has none for us
cdef void ring_close(Loop *loop) noexcept nogil                                # nothing is armed any more
cdef void ring_arm(Transport *transport) noexcept nogil
cdef void ring_disarm(Transport *transport) noexcept nogil
cdef bint ring_stage(Transport *transport) noexcept nogil                      # takes all of `out`, or False: too much for it
cdef void ring_submit(Loop *loop) noexcept nogil                               # now; what the kernel did not take is back in `out` after it
cdef void ring_wait(Loop *loop, int timeout_ms) noexcept nogil                 # submits, sleeps (-1: until something comes), hands out events
