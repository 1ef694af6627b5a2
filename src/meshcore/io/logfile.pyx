"""Log files: double buffering over uv_fs_write. See logfile.pxd for the law."""
from libc.stdlib cimport free, malloc, realloc
from posix.unistd cimport write

from meshcore.base.clock cimport clock_ms
from meshcore.base.wheel cimport timer_armed, timer_cancel, timer_init, wheel_arm
from meshcore.io.uv cimport *

cdef struct Flight:
    uv_fs_t uv
    LogFile *file
    char *at
    uint32_t len
    uint32_t cap
    uint32_t done                  # bytes of it on disk


cdef void on_timer(Timer *timer) noexcept nogil:
    logfile_flush(<LogFile *>timer.owner)


cdef bint logfile_init(LogFile *file, Loop *loop, int fd) noexcept nogil:
    file.loop = loop
    file.fd = fd
    file.len = 0
    file.cap = 0
    file.at = NULL
    file.flight = NULL
    file.dropped = 0
    file.written = 0
    timer_init(&file.timer, on_timer, file)
    return True


cdef char *logfile_reserve(LogFile *file, size_t n) noexcept nogil:
    cdef uint32_t cap = file.cap
    cdef char *block
    if file.len + n > cap:
        if file.len + n > LOG_MAX:
            file.dropped += 1
            return NULL
        cap = LOG_FLUSH + 16384 if cap == 0 else cap
        while cap < file.len + n:
            cap *= 2
        block = <char *>realloc(file.at, cap)
        if block == NULL:
            file.dropped += 1
            return NULL
        file.at = block
        file.cap = cap
    return file.at + file.len


cdef void logfile_commit(LogFile *file, size_t n) noexcept nogil:
    file.len += <uint32_t>n
    if file.len >= LOG_FLUSH:
        logfile_flush(file)
    elif not timer_armed(&file.timer) and file.flight == NULL:
        wheel_arm(&file.loop.wheel, &file.timer, clock_ms(&file.loop.clock) + LOG_INTERVAL_MS)


cdef void write_flight(Flight *flight) noexcept nogil:
    cdef uv_buf_t buf
    buf.base = flight.at + flight.done
    buf.len = flight.len - flight.done
    if uv_fs_write(&flight.file.loop.uv, &flight.uv, flight.file.fd, &buf, 1, -1, on_written) < 0:
        end_flight(flight)


cdef void end_flight(Flight *flight) noexcept nogil:
    # The block goes back as the next buffer to fill, if the file has none.
    cdef LogFile *file = flight.file
    file.flight = NULL
    if file.at == NULL and flight.cap <= 2 * LOG_FLUSH:
        file.at = flight.at
        file.cap = flight.cap
    else:
        free(flight.at)
    free(flight)
    if file.len >= LOG_FLUSH:
        logfile_flush(file)
    elif file.len > 0 and not timer_armed(&file.timer):
        wheel_arm(&file.loop.wheel, &file.timer, clock_ms(&file.loop.clock) + LOG_INTERVAL_MS)


cdef void on_written(uv_fs_t *request) noexcept nogil:
    cdef Flight *flight = <Flight *>request
    cdef ssize_t n = request.result
    uv_fs_req_cleanup(request)
    if n > 0:
        flight.done += <uint32_t>n
        flight.file.written += <uint64_t>n
        if flight.done < flight.len:
            write_flight(flight)
            return
    else:
        flight.file.dropped += 1
    end_flight(flight)


cdef void logfile_flush(LogFile *file) noexcept nogil:
    cdef Flight *flight
    if file.flight != NULL or file.len == 0:
        return
    timer_cancel(&file.loop.wheel, &file.timer)
    flight = <Flight *>malloc(sizeof(Flight))
    if flight == NULL:
        return
    flight.file = file
    flight.at = file.at
    flight.len = file.len
    flight.cap = file.cap
    flight.done = 0
    file.at = NULL
    file.len = 0
    file.cap = 0
    file.flight = flight
    write_flight(flight)


cdef bint logfile_busy(LogFile *file) noexcept nogil:
    return file.flight != NULL or file.len > 0


cdef void logfile_fini(LogFile *file) noexcept nogil:
    cdef ssize_t n
    cdef uint32_t done = 0
    timer_cancel(&file.loop.wheel, &file.timer)
    while done < file.len:
        n = write(file.fd, file.at + done, file.len - done)
        if n <= 0:
            break
        done += <uint32_t>n
    free(file.at)
    file.at = NULL
    file.len = 0
