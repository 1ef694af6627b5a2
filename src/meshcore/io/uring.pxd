# liburing, as much of it as io/ring uses. Only io/ring may import this file.
from libc.stdint cimport int32_t, uint32_t, uint64_t

cdef extern from "<linux/time_types.h>" nogil:
    struct __kernel_timespec:
        long long tv_sec
        long long tv_nsec

cdef extern from "<poll.h>" nogil:
    int POLLIN

cdef extern from "<liburing.h>" nogil:
    struct io_uring_sqe:
        uint32_t flags
        unsigned short buf_group
        uint64_t user_data
    struct io_uring_cqe:
        uint64_t user_data
        int32_t res
        uint32_t flags
    struct io_uring_cq:
        unsigned int *khead
        io_uring_cqe *cqes
        unsigned int ring_mask
    struct io_uring:
        io_uring_cq cq
    struct io_uring_params:
        uint32_t flags
        uint32_t cq_entries
    struct io_uring_buf_reg:
        uint64_t ring_addr
        uint32_t ring_entries
        unsigned short bgid
    struct io_uring_buf:
        uint64_t addr
    struct io_uring_buf_ring:
        pass

    unsigned int IORING_SETUP_CQSIZE, IORING_SETUP_SINGLE_ISSUER, IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_SUBMIT_ALL
    unsigned int IORING_CQE_F_BUFFER, IORING_CQE_F_MORE, IORING_CQE_BUFFER_SHIFT
    unsigned int IOSQE_BUFFER_SELECT, IOSQE_CQE_SKIP_SUCCESS

    int io_uring_queue_init_params(unsigned int entries, io_uring *ring, io_uring_params *params) noexcept
    void io_uring_queue_exit(io_uring *ring) noexcept
    int io_uring_register_ring_fd(io_uring *ring) noexcept
    int io_uring_register_buf_ring(io_uring *ring, io_uring_buf_reg *reg, unsigned int flags) noexcept
    void io_uring_buf_ring_init(io_uring_buf_ring *ring) noexcept
    void io_uring_buf_ring_add(io_uring_buf_ring *ring, void *at, unsigned int n, unsigned short id, int mask, int offset) noexcept
    void io_uring_buf_ring_advance(io_uring_buf_ring *ring, int n) noexcept
    int io_uring_buf_ring_mask(unsigned int entries) noexcept

    io_uring_sqe *io_uring_get_sqe(io_uring *ring) noexcept
    void io_uring_prep_recv_multishot(io_uring_sqe *sqe, int fd, void *at, size_t n, int flags) noexcept
    void io_uring_prep_send(io_uring_sqe *sqe, int fd, const void *at, size_t n, int flags) noexcept
    void io_uring_prep_poll_add(io_uring_sqe *sqe, int fd, unsigned int events) noexcept
    void io_uring_prep_cancel64(io_uring_sqe *sqe, uint64_t user_data, int flags) noexcept
    int io_uring_submit(io_uring *ring) noexcept
    int io_uring_submit_and_wait_timeout(io_uring *ring, io_uring_cqe **cqe, unsigned int n, __kernel_timespec *time, void *signals) noexcept
    unsigned int io_uring_sq_ready(const io_uring *ring) noexcept
    unsigned int io_uring_cq_ready(const io_uring *ring) noexcept
    void io_uring_cq_advance(io_uring *ring, unsigned int n) noexcept
