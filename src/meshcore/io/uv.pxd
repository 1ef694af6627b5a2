# libuv, as much of it as io/ uses. Only io/ may import this file.
from libc.stdint cimport int64_t, uint64_t

cdef extern from "<sys/socket.h>" nogil:
    struct sockaddr:
        unsigned short sa_family
    struct sockaddr_storage:
        unsigned short ss_family
    int socket(int domain, int type, int protocol) noexcept
    int setsockopt(int fd, int level, int name, const void *value, unsigned int n) noexcept
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
    ctypedef struct uv_stream_t:
        void *data
        size_t write_queue_size
    ctypedef struct uv_tcp_t:
        void *data
    ctypedef struct uv_pipe_t:
        void *data
    ctypedef struct uv_timer_t:
        void *data
    ctypedef struct uv_prepare_t:
        void *data
    ctypedef struct uv_check_t:
        void *data
    ctypedef struct uv_async_t:
        void *data
    ctypedef struct uv_connect_t:
        void *data
    ctypedef struct uv_write_t:
        void *data
    ctypedef struct uv_shutdown_t:
        void *data
    ctypedef struct uv_fs_t:
        void *data
        ssize_t result
    ctypedef void (*uv_alloc_cb)(uv_handle_t *, size_t, uv_buf_t *) noexcept nogil
    ctypedef void (*uv_read_cb)(uv_stream_t *, ssize_t, const uv_buf_t *) noexcept nogil
    ctypedef void (*uv_write_cb)(uv_write_t *, int) noexcept nogil
    ctypedef void (*uv_connect_cb)(uv_connect_t *, int) noexcept nogil
    ctypedef void (*uv_shutdown_cb)(uv_shutdown_t *, int) noexcept nogil
    ctypedef void (*uv_connection_cb)(uv_stream_t *, int) noexcept nogil
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
    int uv_fileno(const uv_handle_t *, uv_os_fd_t *) noexcept

    int uv_timer_init(uv_loop_t *, uv_timer_t *) noexcept
    int uv_timer_start(uv_timer_t *, uv_timer_cb, uint64_t timeout, uint64_t repeat) noexcept
    int uv_timer_stop(uv_timer_t *) noexcept
    int uv_prepare_init(uv_loop_t *, uv_prepare_t *) noexcept
    int uv_prepare_start(uv_prepare_t *, uv_prepare_cb) noexcept
    int uv_check_init(uv_loop_t *, uv_check_t *) noexcept
    int uv_check_start(uv_check_t *, uv_check_cb) noexcept
    int uv_async_init(uv_loop_t *, uv_async_t *, uv_async_cb) noexcept
    int uv_async_send(uv_async_t *) noexcept

    int uv_tcp_init(uv_loop_t *, uv_tcp_t *) noexcept
    int uv_tcp_open(uv_tcp_t *, int) noexcept
    int uv_tcp_nodelay(uv_tcp_t *, int) noexcept
    int uv_tcp_bind(uv_tcp_t *, const sockaddr *, unsigned int) noexcept
    int uv_tcp_connect(uv_connect_t *, uv_tcp_t *, const sockaddr *, uv_connect_cb) noexcept
    int uv_tcp_getsockname(const uv_tcp_t *, sockaddr *, int *) noexcept
    int uv_tcp_getpeername(const uv_tcp_t *, sockaddr *, int *) noexcept
    int uv_tcp_close_reset(uv_tcp_t *, uv_close_cb) noexcept
    int uv_pipe_init(uv_loop_t *, uv_pipe_t *, int) noexcept
    int uv_pipe_open(uv_pipe_t *, int) noexcept
    void uv_pipe_connect(uv_connect_t *, uv_pipe_t *, const char *, uv_connect_cb) noexcept

    int uv_listen(uv_stream_t *, int backlog, uv_connection_cb) noexcept
    int uv_accept(uv_stream_t *, uv_stream_t *) noexcept
    int uv_read_start(uv_stream_t *, uv_alloc_cb, uv_read_cb) noexcept
    int uv_read_stop(uv_stream_t *) noexcept
    int uv_write(uv_write_t *, uv_stream_t *, const uv_buf_t *, unsigned int, uv_write_cb) noexcept
    int uv_try_write(uv_stream_t *, const uv_buf_t *, unsigned int) noexcept
    int uv_shutdown(uv_shutdown_t *, uv_stream_t *, uv_shutdown_cb) noexcept
    int uv_fs_write(uv_loop_t *, uv_fs_t *, uv_file, const uv_buf_t *, unsigned int, int64_t offset, uv_fs_cb) noexcept
    void uv_fs_req_cleanup(uv_fs_t *) noexcept
    const char *uv_strerror(int) noexcept
