"""Ring: submission, completion and the buffers that the kernel fills. See ring.pxd for the law.

Sends are asked to take all or to say so at once (MSG_WAITALL with MSG_DONTWAIT), and a full success makes no event: after a submission the
staging area is free again, but for the few that a full socket refused. Needs Linux 6.1 (DEFER_TASKRUN: the kernel receives only while we
wait, so nothing moves under a hook).
"""
from libc.errno cimport EAGAIN, ENOMEM
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from meshcore.base.buffer cimport buffer_drain, buffer_read
from meshcore.base.clock cimport clock_stale
from meshcore.io.loop cimport Loop
from meshcore.io.transport cimport (
    Transport, transport_arrived, transport_ended, transport_flush_all, transport_let_go, transport_unsent,
)
from meshcore.io.uring cimport *
from meshcore.io.uv cimport MSG_DONTWAIT, MSG_NOSIGNAL, uv_backend_fd

cdef extern from "<errno.h>" nogil:
    int ECANCELED, ENOBUFS

cdef extern from "<sys/socket.h>" nogil:
    int MSG_WAITALL

cdef extern from "<stdlib.h>" nogil:
    int posix_memalign(void **at, size_t alignment, size_t n) noexcept

cdef enum:
    PAGE = 4096
    BUFFERS = 256                  # that the kernel can be lent, 4 MiB; a power of two
    LENT_FIRST = 64
    # Each starts in another line of the cache: starts at multiples of a page would share a few of them.
    STAGGER = 192
    BUFFER_BYTES = 16384
    ENTRIES = 1024                 # of submission
    EVENTS = 8192                  # of completion; a burst of more waits in the kernel

# What an event is about, in the low bits of its user_data; above them the transport, or the send's place in `sends`.
cdef enum:
    ABOUT_NOTHING = 0
    ABOUT_READ = 1
    ABOUT_SEND = 2
    ABOUT_UV = 3
    ABOUT = 7


cdef int ring_open(Loop *loop) noexcept nogil:
    cdef Ring *ring = <Ring *>calloc(1, sizeof(Ring))
    cdef int error
    if ring == NULL:
        return -ENOMEM
    error = set_up(ring)
    if error < 0:
        free(ring)
        return error
    loop.ring = ring
    return 0


cdef int set_up(Ring *ring) noexcept nogil:
    cdef io_uring_params params
    cdef int error
    memset(&params, 0, sizeof(params))
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE
    params.cq_entries = EVENTS
    error = io_uring_queue_init_params(ENTRIES, &ring.uring, &params)
    if error < 0:
        return error
    error = lend_buffers(ring)
    if error < 0:
        io_uring_queue_exit(&ring.uring)
        free(ring.lent)
        free(ring.buffers)
        free(ring.staging)
        return error
    io_uring_register_ring_fd(&ring.uring)         # saves a look-up; older kernels go without
    ring.sends_len = 1
    return 0


cdef int lend_buffers(Ring *ring) noexcept nogil:
    cdef io_uring_buf_reg registration
    cdef uint32_t i
    cdef int error
    ring.staging = <char *>malloc(RING_STAGING)
    ring.buffers = <char *>malloc(<size_t>BUFFERS * (BUFFER_BYTES + STAGGER))
    if ring.staging == NULL or ring.buffers == NULL:
        return -ENOMEM
    if posix_memalign(<void **>&ring.lent, PAGE, BUFFERS * sizeof(io_uring_buf)) != 0:
        return -ENOMEM
    memset(&registration, 0, sizeof(registration))
    registration.ring_addr = <uint64_t>ring.lent
    registration.ring_entries = BUFFERS
    error = io_uring_register_buf_ring(&ring.uring, &registration, 0)
    if error < 0:
        return error
    io_uring_buf_ring_init(ring.lent)
    for i in range(LENT_FIRST):
        give(ring, i)
    ring.buffers_lent = LENT_FIRST
    return 0


cdef void ring_close(Loop *loop) noexcept nogil:
    cdef Ring *ring = <Ring *>loop.ring
    loop.ring = NULL
    io_uring_queue_exit(&ring.uring)
    free(ring.lent)
    free(ring.buffers)
    free(ring.staging)
    free(ring)


# --- buffers --------------------------------------------------------------------------------------------------------


cdef inline char *buffer_at(Ring *ring, uint32_t id) noexcept nogil:
    return ring.buffers + <size_t>id * (BUFFER_BYTES + STAGGER)


cdef inline void give(Ring *ring, uint32_t id) noexcept nogil:
    io_uring_buf_ring_add(ring.lent, buffer_at(ring, id), BUFFER_BYTES, <unsigned short>id, BUFFERS - 1, <int>ring.given)
    ring.given += 1


cdef void lend_more(Ring *ring) noexcept nogil:
    cdef uint32_t i
    # For many connections, that is; few that bring much make do with what there is, and what was read stays bounded.
    cdef uint32_t n = ring.buffers_lent
    if n < BUFFERS and n < ring.armed:
        for i in range(n, n * 2):
            give(ring, i)
        ring.buffers_lent = n * 2


# --- submission -----------------------------------------------------------------------------------------------------


cdef inline io_uring_sqe *entry(Ring *ring) noexcept nogil:
    cdef io_uring_sqe *sqe = io_uring_get_sqe(&ring.uring)
    while sqe == NULL:
        io_uring_submit(&ring.uring)
        sqe = io_uring_get_sqe(&ring.uring)
    return sqe


cdef void ring_arm(Transport *transport) noexcept nogil:
    cdef Ring *ring = <Ring *>transport.loop.ring
    cdef io_uring_sqe *sqe = entry(ring)
    io_uring_prep_recv_multishot(sqe, transport.fd, NULL, 0, 0)
    sqe.flags |= IOSQE_BUFFER_SELECT
    sqe.buf_group = 0
    sqe.user_data = <uint64_t>transport | ABOUT_READ
    transport.armed = ARMED
    ring.armed += 1


cdef void ring_disarm(Transport *transport) noexcept nogil:
    cdef Ring *ring = <Ring *>transport.loop.ring
    cdef io_uring_sqe *sqe = entry(ring)
    io_uring_prep_cancel64(sqe, <uint64_t>transport | ABOUT_READ, 0)
    sqe.flags |= IOSQE_CQE_SKIP_SUCCESS
    sqe.user_data = ABOUT_NOTHING
    transport.armed = ARMED_LEAVING


cdef bint ring_stage(Transport *transport) noexcept nogil:
    cdef Ring *ring = <Ring *>transport.loop.ring
    cdef uint32_t n = <uint32_t>transport.out.len
    cdef char *at
    cdef io_uring_sqe *sqe
    if transport.out.len > RING_SEND_MAX or transport.blocked:
        return False
    if transport.staged or ring.sends_len == RING_SENDS or ring.staging_used + n > RING_STAGING:
        ring_submit(transport.loop)
        if transport.blocked:
            return False
        n = <uint32_t>transport.out.len
    at = ring.staging + ring.staging_used
    buffer_read(&transport.out, at, n)
    buffer_drain(&transport.loop.buffers, &transport.out, n)
    sqe = entry(ring)
    io_uring_prep_send(sqe, transport.fd, at, n, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL)
    sqe.flags |= IOSQE_CQE_SKIP_SUCCESS
    sqe.user_data = <uint64_t>ring.sends_len << 3 | ABOUT_SEND
    ring.sends[ring.sends_len].transport = transport
    ring.sends[ring.sends_len].at = at
    ring.sends[ring.sends_len].len = n
    transport.staged = <unsigned short>ring.sends_len
    transport.sent += n
    ring.sends_len += 1
    ring.staging_used += n
    return True


cdef void settle(Ring *ring) noexcept nogil:
    # Once all that was staged has been tried; what failed has said so.
    cdef unsigned int n
    cdef unsigned int i
    cdef io_uring_cqe *cqe
    cdef Staged *send
    cdef uint32_t taken
    if ring.sends_len == 1:
        return
    while io_uring_sq_ready(&ring.uring):
        io_uring_submit(&ring.uring)       # the kernel had no memory for some, or was interrupted
    for i in range(1, ring.sends_len):
        ring.sends[i].transport.staged = 0
    n = io_uring_cq_ready(&ring.uring)
    for i in range(n):
        cqe = &ring.uring.cq.cqes[(ring.uring.cq.khead[0] + i) & ring.uring.cq.ring_mask]
        if cqe.user_data & ABOUT == ABOUT_SEND:
            send = &ring.sends[cqe.user_data >> 3]
            taken = <uint32_t>cqe.res if cqe.res > 0 else 0
            transport_unsent(send.transport, send.at + taken, send.len - taken, cqe.res if cqe.res < 0 and cqe.res != -EAGAIN else 0)
            cqe.user_data = ABOUT_NOTHING
    ring.sends_len = 1
    ring.staging_used = 0


cdef void ring_submit(Loop *loop) noexcept nogil:
    cdef Ring *ring = <Ring *>loop.ring
    io_uring_submit(&ring.uring)
    settle(ring)


# --- completion -----------------------------------------------------------------------------------------------------


cdef void read_done(Ring *ring, Transport *transport, io_uring_cqe *cqe) noexcept nogil:
    cdef uint32_t id = cqe.flags >> IORING_CQE_BUFFER_SHIFT
    if not cqe.flags & IORING_CQE_F_MORE:
        transport.armed = ARMED_NOT
        ring.armed -= 1
    if cqe.res > 0:
        transport_arrived(transport, buffer_at(ring, id), <size_t>cqe.res)
    elif cqe.res == -ENOBUFS:
        lend_more(ring)
    elif cqe.res != -ECANCELED:
        transport_ended(transport, cqe.res)
    if cqe.flags & IORING_CQE_F_BUFFER:
        give(ring, id)
    if not transport.armed:
        transport_let_go(transport)


cdef void hand_out(Loop *loop) noexcept nogil:
    cdef Ring *ring = <Ring *>loop.ring
    cdef io_uring_cqe cqe
    cdef uint64_t before = 0
    cdef Transport *transport
    while io_uring_cq_ready(&ring.uring):
        cqe = ring.uring.cq.cqes[ring.uring.cq.khead[0] & ring.uring.cq.ring_mask]
        io_uring_cq_advance(&ring.uring, 1)
        if before and (cqe.user_data != before or cqe.res <= 0):
            transport_flush_all(loop)
        before = 0
        if cqe.user_data & ABOUT == ABOUT_READ:
            # A long answer comes in several buffers: they are one event, and leave in one system call. Its end is another.
            transport = <Transport *>(cqe.user_data & ~<uint64_t>ABOUT)
            before = cqe.user_data if transport.tls == NULL else 0
            read_done(ring, transport, &cqe)
            if not before:
                transport_flush_all(loop)
        elif cqe.user_data & ABOUT == ABOUT_UV:
            ring.watches_uv = False
            ring.uv_due = True
    if before:
        transport_flush_all(loop)


cdef void ring_wait(Loop *loop, int timeout_ms) noexcept nogil:
    cdef Ring *ring = <Ring *>loop.ring
    cdef __kernel_timespec time
    cdef io_uring_cqe *first = NULL
    cdef io_uring_sqe *sqe
    if not ring.watches_uv:
        sqe = entry(ring)
        io_uring_prep_poll_add(sqe, uv_backend_fd(&loop.uv), POLLIN)
        sqe.user_data = ABOUT_UV
        ring.watches_uv = True
    if ring.given:
        io_uring_buf_ring_advance(ring.lent, <int>ring.given)
        ring.given = 0
    time.tv_sec = timeout_ms // 1000
    time.tv_nsec = <long long>(timeout_ms % 1000) * 1000000
    io_uring_submit_and_wait_timeout(&ring.uring, &first, 1, &time if timeout_ms >= 0 else NULL, NULL)
    settle(ring)
    clock_stale(&loop.clock)
    hand_out(loop)
