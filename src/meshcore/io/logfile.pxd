# Log files: lines gather in a worker's buffer and are written by libuv's thread pool, off the data path.
#
# One LogFile per worker and path; the descriptor (O_APPEND) belongs to the main thread, which may swap it (reopen). Lines of one flush go
# out in one write, so lines of different workers never mix. When the disk is slower than the traffic for long, lines are dropped and
# counted, the service goes on.
from libc.stdint cimport int64_t, uint32_t, uint64_t

from meshcore.base.wheel cimport Timer
from meshcore.io.loop cimport Loop

cdef enum:
    LOG_FLUSH = 64 * 1024          # a buffer this full is written at once (Envoy's size)
    LOG_MAX = 4 * 1024 * 1024      # more than this waiting: lines are dropped
    LOG_INTERVAL_MS = 250          # a line waits at most this long

cdef struct LogFile:
    Loop *loop
    int fd
    char *at                       # the buffer being filled
    uint32_t len
    uint32_t cap
    void *flight                   # the write under way, NULL: none
    uint64_t dropped               # lines
    uint64_t written               # bytes
    Timer timer

cdef bint logfile_init(LogFile *file, Loop *loop, int fd) noexcept nogil
cdef char *logfile_reserve(LogFile *file, size_t n) noexcept nogil            # NULL: the line is dropped
cdef void logfile_commit(LogFile *file, size_t n) noexcept nogil
cdef void logfile_flush(LogFile *file) noexcept nogil                         # starts a write if none is under way
cdef bint logfile_busy(LogFile *file) noexcept nogil                          # something is not on disk yet
cdef void logfile_fini(LogFile *file) noexcept nogil                          # writes the rest at once; no write may be under way
