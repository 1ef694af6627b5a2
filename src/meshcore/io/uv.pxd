# libuv, as much of it as io/ uses. Only io/ may import this file.
from libc.stdint cimport int64_t, uint64_t

from meshcore.base.buffer cimport iovec

cdef extern from "<sys/socket.h>" nogil:
    struct sockaddr:
        unsigned short sa_family
    struct sockaddr_storage:
        unsigned short ss_family
    int socket(int domain, int type, int protocol) noexcept
    int setsockopt(int fd, int level, int name, const void *value, unsigned int n) noexcept
    int getsockopt(int fd, int level, int name, void *value, unsigned int *n) noexcept
    int bind(int fd, const sockaddr *address, unsigned int n) noexcept
    int listen(int fd, int backlog) noexcept
    int connect(int fd, const sockaddr *address, unsigned int n) noexcept
    int getsockname(int fd, sockaddr *address, unsigned int *n) noexcept
    int getpeername(int fd, sockaddr *address, unsigned int *n) noexcept
    int shutdown(int fd, int how) noexcept
    ssize_t recv(int fd, void *buf, size_t n, int flags) noexcept
    ssize_t send(int fd, const void *buf, size_t n, int flags) noexcept
    ssize_t sendmsg(int fd, const msghdr *message, int flags) noexcept
    struct msghdr:
        void *msg_name
        unsigned int msg_namelen
        iovec *msg_iov
        size_t msg_iovlen
        void *msg_control
        size_t msg_controllen
        int msg_flags
    struct linger:
        int l_onoff
        int l_linger
    int MSG_DONTWAIT, MSG_NOSIGNAL, SHUT_WR, SHUT_RDWR, SO_ERROR, SO_LINGER, SO_KEEPALIVE
    int AF_INET, AF_INET6, AF_UNIX, SOCK_STREAM, SOCK_NONBLOCK, SOCK_CLOEXEC, SOL_SOCKET, SO_REUSEPORT, SO_REUSEADDR

cdef extern from "<uv.h>" nogil:
    ctypedef int uv_file
    ctypedef int uv_os_fd_t
    ctypedef struct uv_buf_t:
        char *base
        size_t len
    ctypedef struct uv_loop_t:
        void *data
    ctypedef struct uv_handle_t:
        void *data
    ctypedef struct uv_poll_t:
        void *data
    ctypedef struct uv_timer_t:
        void *data
    ctypedef struct uv_prepare_t:
        void *data
    ctypedef struct uv_check_t:
        void *data
    ctypedef struct uv_async_t:
        void *data
    ctypedef struct uv_fs_t:
        void *data
        ssize_t result
    ctypedef void (*uv_poll_cb)(uv_poll_t *, int status, int events) noexcept nogil
    ctypedef void (*uv_close_cb)(uv_handle_t *) noexcept nogil
    ctypedef void (*uv_timer_cb)(uv_timer_t *) noexcept nogil
    ctypedef void (*uv_prepare_cb)(uv_prepare_t *) noexcept nogil
    ctypedef void (*uv_check_cb)(uv_check_t *) noexcept nogil
    ctypedef void (*uv_async_cb)(uv_async_t *) noexcept nogil
    ctypedef void (*uv_fs_cb)(uv_fs_t *) noexcept nogil
    ctypedef void (*uv_walk_cb)(uv_handle_t *, void *) noexcept nogil

    int UV_EOF, UV_EAGAIN, UV_ECONNREFUSED, UV_ETIMEDOUT, UV_ECANCELED, UV_ECONNRESET, UV_EPIPE, UV_ENOMEM, UV_EMFILE, UV_ENFILE
    int UV_RUN_DEFAULT, UV_RUN_NOWAIT, UV_RUN_ONCE

    int uv_loop_init(uv_loop_t *) noexcept
    int uv_loop_close(uv_loop_t *) noexcept
    int uv_run(uv_loop_t *, int mode) noexcept
    void uv_stop(uv_loop_t *) noexcept
    void uv_update_time(uv_loop_t *) noexcept
    int uv_backend_fd(const uv_loop_t *) noexcept
    int uv_backend_timeout(const uv_loop_t *) noexcept
    uint64_t uv_now(const uv_loop_t *) noexcept
    int uv_loop_alive(const uv_loop_t *) noexcept
    void uv_walk(uv_loop_t *, uv_walk_cb, void *) noexcept

    void uv_close(uv_handle_t *, uv_close_cb) noexcept
    int uv_is_closing(const uv_handle_t *) noexcept
    void uv_unref(uv_handle_t *) noexcept

    int UV_READABLE, UV_WRITABLE
    int uv_poll_init_socket(uv_loop_t *, uv_poll_t *, int fd) noexcept
    int uv_poll_start(uv_poll_t *, int events, uv_poll_cb) noexcept
    int uv_poll_stop(uv_poll_t *) noexcept

    int uv_timer_init(uv_loop_t *, uv_timer_t *) noexcept
    int uv_timer_start(uv_timer_t *, uv_timer_cb, uint64_t timeout, uint64_t repeat) noexcept
    int uv_timer_stop(uv_timer_t *) noexcept
    int uv_prepare_init(uv_loop_t *, uv_prepare_t *) noexcept
    int uv_prepare_start(uv_prepare_t *, uv_prepare_cb) noexcept
    int uv_check_init(uv_loop_t *, uv_check_t *) noexcept
    int uv_check_start(uv_check_t *, uv_check_cb) noexcept
    int uv_async_init(uv_loop_t *, uv_async_t *, uv_async_cb) noexcept
    int uv_async_send(uv_async_t *) noexcept

    int uv_fs_write(uv_loop_t *, uv_fs_t *, uv_file, const uv_buf_t *, unsigned int, int64_t offset, uv_fs_cb) noexcept
    void uv_fs_req_cleanup(uv_fs_t *) noexcept
    const char *uv_strerror(int) noexcept
