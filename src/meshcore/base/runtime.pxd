# Runtime: numbers of the running configuration that an operator can change while requests are served, by key.
#
# A RuntimeCell is what one key says now. Its words are written by the main thread (bind/runtime) and read by workers with one relaxed
# load each: a change is seen at once, without a new table. Cells are found when tables are built; they outlive every table that points
# to them. Each word stands for itself, so there is nothing to tear. Must not know key names or layers.
from libc.stdint cimport int64_t, uint32_t, uint64_t

from meshcore.base.atomics cimport atomic_load

cdef extern from *:
    """
    #define RUNTIME_UNSET INT64_MIN
    """
    const int64_t RUNTIME_UNSET

cdef struct RuntimeCell:
    int64_t fraction               # atomic; numerator << 32 | denominator; 0 = the key says no fraction
    int64_t integer                # atomic; RUNTIME_UNSET = no unsigned integer
    int64_t number                 # atomic; bits of a double; RUNTIME_UNSET (which are those of -0.0) = no number
    int64_t boolean                # atomic; 0, 1, RUNTIME_UNSET

cdef struct RuntimeFraction:
    # RuntimeFractionalPercent: a share of all requests.
    const RuntimeCell *cell        # NULL: no key
    uint32_t numerator             # the default
    uint32_t denominator           # 100, 10,000 or 1,000,000; 0 = no fraction was configured, everything is in it

cdef union NumberBits:
    int64_t bits
    double number

cdef inline uint64_t runtime_fraction(const RuntimeFraction *fraction) noexcept nogil:
    # numerator << 32 | denominator, as it is now.
    cdef uint64_t now = 0
    if fraction.cell != NULL:
        now = <uint64_t>atomic_load(&fraction.cell.fraction)
    return now if now != 0 else <uint64_t>fraction.numerator << 32 | fraction.denominator

cdef inline bint runtime_hits(const RuntimeFraction *fraction, uint64_t random) noexcept nogil:
    cdef uint64_t now
    if fraction.denominator == 0:
        return True
    now = runtime_fraction(fraction)
    return random % <uint32_t>now < now >> 32

cdef inline int64_t runtime_integer(const RuntimeCell *cell, int64_t otherwise) noexcept nogil:
    cdef int64_t now = RUNTIME_UNSET
    if cell != NULL:
        now = atomic_load(&cell.integer)
    return otherwise if now == RUNTIME_UNSET else now

cdef inline double runtime_number(const RuntimeCell *cell, double otherwise) noexcept nogil:
    cdef NumberBits now
    if cell == NULL:
        return otherwise
    now.bits = atomic_load(&cell.number)
    return otherwise if now.bits == RUNTIME_UNSET else now.number

cdef inline bint runtime_boolean(const RuntimeCell *cell, bint otherwise) noexcept nogil:
    cdef int64_t now = RUNTIME_UNSET
    if cell != NULL:
        now = atomic_load(&cell.boolean)
    return otherwise if now == RUNTIME_UNSET else now == 1
