# Wall-clock times as text: Envoy's strftime dialect, written without a lock and without allocation.
#
# A pattern is interpreted each time: the conversions that log lines use are spelled here, the rare ones go to strftime(3). UTC never
# reads the time zone database, which the C library guards with a lock that all workers would share. Any thread.
from libc.stdint cimport int64_t

from meshcore.base.span cimport Span

cdef int64_t wall_now_us() noexcept nogil                                                 # microseconds since the epoch, never negative
cdef size_t time_write_default(int64_t wall_us, char *out) noexcept nogil                 # 2026-11-23T02:10:43.203Z, 24 bytes
cdef size_t time_write(Span pattern, int64_t wall_us, bint local, char *out, size_t cap) noexcept nogil   # bytes written; cut at `cap`
cdef bint time_pattern_has_newline(Span pattern) noexcept nogil                           # %n in any spelling: refused at load
