"""Writes wall-clock times by pattern. See walltime.pxd for the law.

Beside strftime(3) the dialect has %f and %1f..%9f (fraction of the second), %s with an ignored width, %E3S, %E*S, %E3f, %E4Y, %ET, %Ez
and %:z, as Envoy has them. What is no conversion is copied as it stands. Never fails: what does not fit is cut, and a time before 1970
counts as 1970.
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset
from posix.time cimport CLOCK_REALTIME, clock_gettime, timespec

from meshcore.base.span cimport span, write_u64

cdef extern from "<time.h>" nogil:
    ctypedef long time_t
    struct tm:
        int tm_sec
        int tm_min
        int tm_hour
        int tm_mday
        int tm_mon
        int tm_year
        int tm_wday
        int tm_yday
        int tm_isdst
        long tm_gmtoff
        const char *tm_zone
    size_t strftime(char *out, size_t cap, const char *pattern, const tm *t)
    tm *localtime_r(const time_t *seconds, tm *out)

cdef enum:
    US_PER_SECOND = 1000000
    CONVERSION_MAX = 32            # longest spelling that is handed to strftime
    PIECE = 128                    # longest text of one conversion

cdef struct Moment:
    tm parts
    int64_t seconds
    uint32_t micros


cdef int64_t wall_now_us() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_REALTIME, &t)
    return <int64_t>t.tv_sec * US_PER_SECOND + t.tv_nsec // 1000


cdef inline int64_t not_before_1970(int64_t wall_us) noexcept nogil:
    return wall_us if wall_us > 0 else 0


cdef void split_utc(int64_t seconds, tm *out) noexcept nogil:
    # Days to a civil date in the proleptic Gregorian calendar: the year is counted from March, so that leap days come last.
    cdef int64_t days = seconds // 86400
    cdef int rest = <int>(seconds % 86400)
    cdef int64_t shifted = days + 719468
    cdef int64_t era = shifted // 146097
    cdef int of_era = <int>(shifted % 146097)
    cdef int year_of_era, of_year, month
    year_of_era = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month = (5 * of_year + 2) // 153
    memset(out, 0, sizeof(tm))
    out.tm_mday = of_year - (153 * month + 2) // 5 + 1
    out.tm_mon = month + 2 if month < 10 else month - 10
    out.tm_year = <int>(year_of_era + era * 400) + (1 if out.tm_mon < 2 else 0) - 1900
    out.tm_hour = rest // 3600
    out.tm_min = rest // 60 % 60
    out.tm_sec = rest % 60
    out.tm_wday = <int>((days + 4) % 7)
    # of_year counts from 1 March: 306 days later comes 1 January.
    out.tm_yday = of_year - 306 if of_year >= 306 else of_year + 59 + leap(out.tm_year + 1900)
    out.tm_zone = b"UTC"


cdef inline bint leap(int year) noexcept nogil:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


cdef inline char *put_two(char *at, int v) noexcept nogil:
    at[0] = 48 + v // 10
    at[1] = 48 + v % 10
    return at + 2


cdef inline char *put_year(char *at, int year) noexcept nogil:
    if year > 9999:
        return at + write_u64(at, <uint64_t>year)
    at = put_two(at, year // 100)
    return put_two(at, year % 100)


cdef inline char *put_date(char *at, const tm *t) noexcept nogil:
    at = put_year(at, t.tm_year + 1900)
    at[0] = b'-'
    at = put_two(at + 1, t.tm_mon + 1)
    at[0] = b'-'
    return put_two(at + 1, t.tm_mday)


cdef inline char *put_clock(char *at, const tm *t) noexcept nogil:
    at = put_two(at, t.tm_hour)
    at[0] = b':'
    at = put_two(at + 1, t.tm_min)
    at[0] = b':'
    return put_two(at + 1, t.tm_sec)


cdef char *put_fraction(char *at, uint32_t micros, int digits) noexcept nogil:
    # The clock gives microseconds: digits beyond the sixth are zeros.
    cdef int i
    for i in range(digits):
        at[i] = 48
    for i in range(5, -1, -1):
        if i < digits:
            at[i] = 48 + micros % 10
        micros //= 10
    return at + digits


cdef int shortest(uint32_t micros) noexcept nogil:
    # How many digits %E* prints: none that only adds a zero.
    cdef int digits = 6
    while digits > 0 and micros % 10 == 0:
        micros //= 10
        digits -= 1
    return digits


cdef char *put_zone(char *at, const tm *t, int colons, bint shorten) noexcept nogil:
    cdef int offset = <int>t.tm_gmtoff
    at[0] = b'-' if offset < 0 else b'+'
    offset = -offset if offset < 0 else offset
    at = put_two(at + 1, offset // 3600)
    if shorten and offset % 3600 == 0:
        return at
    at[0] = b':'
    at = put_two(at + 1, offset // 60 % 60)
    if colons >= 2 and not (shorten and offset % 60 == 0):
        at[0] = b':'
        at = put_two(at + 1, offset % 60)
    return at


cdef size_t time_write_default(int64_t wall_us, char *out) noexcept nogil:
    cdef tm t
    cdef char *at
    wall_us = not_before_1970(wall_us)
    split_utc(wall_us // US_PER_SECOND, &t)
    at = put_date(out, &t)
    at[0] = b'T'
    at = put_clock(at + 1, &t)
    at[0] = b'.'
    at = put_fraction(at + 1, <uint32_t>(wall_us % US_PER_SECOND), 3)
    at[0] = b'Z'
    return at + 1 - out


cdef inline bint digit(char c) noexcept nogil:
    return c >= 48 and c <= 57


cdef size_t extended(Span rest, const Moment *moment, char *out, size_t *n) noexcept nogil:
    # %E..., `rest` begins after the E: how much of it was a conversion of this dialect; 0 = none.
    cdef size_t i = 0
    cdef int digits = 0
    cdef char *at = out
    if rest.len > 0 and rest.at[0] == b'*':
        digits = shortest(moment.micros)
        i = 1
    while i < rest.len and digit(rest.at[i]) and i < 3:
        digits = digits * 10 + (rest.at[i] - 48)
        i += 1
    if i >= rest.len or digits > 60:
        return 0
    if rest.at[i] == b'S' and i > 0:
        at = put_two(at, moment.parts.tm_sec)
        if digits > 0:
            at[0] = b'.'
            at = put_fraction(at + 1, moment.micros, digits)
    elif rest.at[i] == b'f' and i > 0:
        at = put_fraction(at, moment.micros, digits if digits > 0 else 1)
    elif rest.at[i] == b'z' and (i == 0 or rest.at[0] == b'*'):
        at = put_zone(at, &moment.parts, 1 + <int>i, False)
    elif rest.at[i] == b'Y' and i == 1 and rest.at[0] == b'4':
        at = put_year(at, moment.parts.tm_year + 1900)
    elif rest.at[i] == b'T' and i == 0:
        at[0] = b'T'
        at += 1
    else:
        return 0
    n[0] = at - out
    return i + 1


cdef size_t rare(Span rest, const Moment *moment, char *out, size_t *n) noexcept nogil:
    # Flags, width, E or O, letter: strftime(3) knows it or the text stays. Answers how much of `rest` was used.
    cdef char spelled[CONVERSION_MAX]
    cdef size_t i = 0
    while i < rest.len and i < CONVERSION_MAX - 3 and (
            rest.at[i] == b'-' or rest.at[i] == b'_' or rest.at[i] == b'^' or rest.at[i] == b'#' or digit(rest.at[i])):
        i += 1
    if i < rest.len and (rest.at[i] == b'E' or rest.at[i] == b'O'):
        i += 1
    if i < rest.len:
        i += 1
    spelled[0] = b'%'
    memcpy(spelled + 1, rest.at, i)
    spelled[i + 1] = 0
    n[0] = strftime(out, PIECE, spelled, &moment.parts)
    return i


cdef size_t convert(Span rest, const Moment *moment, char *out, size_t *n) noexcept nogil:
    # `rest` begins after the per cent sign: writes one conversion, answers how much of `rest` it was.
    cdef const tm *t = &moment.parts
    cdef char *at = out
    cdef char c
    cdef size_t used = 1
    if rest.len == 0:
        out[0] = b'%'
        n[0] = 1
        return 0
    c = rest.at[0]
    if c >= 49 and c <= 57 and rest.len > 1 and (rest.at[1] == b'f' or rest.at[1] == b's'):
        used = 2
        if rest.at[1] == b'f':
            at = put_fraction(at, moment.micros, c - 48)
        else:
            at += write_u64(at, <uint64_t>moment.seconds)
    elif c == b'f':
        at = put_fraction(at, moment.micros, 9)
    elif c == b's':
        at += write_u64(at, <uint64_t>moment.seconds)
    elif c == b'Y':
        at = put_year(at, t.tm_year + 1900)
    elif c == b'm':
        at = put_two(at, t.tm_mon + 1)
    elif c == b'd':
        at = put_two(at, t.tm_mday)
    elif c == b'H':
        at = put_two(at, t.tm_hour)
    elif c == b'M':
        at = put_two(at, t.tm_min)
    elif c == b'S':
        at = put_two(at, t.tm_sec)
    elif c == b'T':
        at = put_clock(at, t)
    elif c == b'F':
        at = put_date(at, t)
    elif c == b'%':
        at[0] = c
        at += 1
    elif c == b':':
        while used < rest.len and used < 3 and rest.at[used] == b':':
            used += 1
        if used < rest.len and rest.at[used] == b'z':
            at = put_zone(at, t, <int>used, used == 3)
            used += 1
        else:
            return rare(rest, moment, out, n)
    elif c == b'E':
        used = extended(span(rest.at + 1, rest.len - 1), moment, out, n)
        return used + 1 if used > 0 else rare(rest, moment, out, n)
    else:
        return rare(rest, moment, out, n)
    n[0] = at - out
    return used


cdef size_t time_write(Span pattern, int64_t wall_us, bint local, char *out, size_t cap) noexcept nogil:
    cdef char piece[PIECE]
    cdef Moment moment
    cdef time_t seconds
    cdef size_t total = 0
    cdef size_t n
    cdef size_t i = 0
    wall_us = not_before_1970(wall_us)
    moment.seconds = wall_us // US_PER_SECOND
    moment.micros = <uint32_t>(wall_us % US_PER_SECOND)
    seconds = <time_t>moment.seconds
    if not local or localtime_r(&seconds, &moment.parts) == NULL:
        split_utc(moment.seconds, &moment.parts)
    while i < pattern.len:
        if pattern.at[i] != b'%':
            if total == cap:
                break
            out[total] = pattern.at[i]
            total += 1
            i += 1
            continue
        n = 0
        i += 1 + convert(span(pattern.at + i + 1, pattern.len - i - 1), &moment, piece, &n)
        if n > cap - total:
            break
        memcpy(out + total, piece, n)
        total += n
    return total


cdef bint time_pattern_has_newline(Span pattern) noexcept nogil:
    cdef size_t i = 0
    while i < pattern.len:
        if pattern.at[i] == b'\n' or pattern.at[i] == b'\r' or pattern.at[i] == 0:
            return True
        if pattern.at[i] == b'%':
            i += 1
            while i < pattern.len and (pattern.at[i] == b'-' or pattern.at[i] == b'_' or pattern.at[i] == b'^' or
                                       pattern.at[i] == b'#' or digit(pattern.at[i])):
                i += 1
            if i < pattern.len and (pattern.at[i] == b'E' or pattern.at[i] == b'O'):
                i += 1
            if i < pattern.len and pattern.at[i] == b'n':
                return True
        i += 1
    return False
