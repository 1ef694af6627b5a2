"""Earliest deadline first: a binary heap. See edf.pxd for the law."""
from libc.math cimport floor
from libc.stdlib cimport free, malloc


cdef inline bint before(EdfEntry *a, EdfEntry *b) noexcept nogil:
    return a.deadline < b.deadline or (a.deadline == b.deadline and a.order < b.order)


cdef void sift_down(Edf *edf, uint32_t at) noexcept nogil:
    cdef uint32_t child
    cdef EdfEntry moved = edf.entries[at]
    while True:
        child = 2 * at + 1
        if child >= edf.len:
            break
        if child + 1 < edf.len and before(&edf.entries[child + 1], &edf.entries[child]):
            child += 1
        if not before(&edf.entries[child], &moved):
            break
        edf.entries[at] = edf.entries[child]
        at = child
    edf.entries[at] = moved


cdef Edf *edf_new(const double *weights, uint32_t n, uint64_t picks) noexcept nogil:
    # The greater part of the picks is not played: an entry with share w of all has been served at least floor(picks * w) times.
    cdef Edf *edf = <Edf *>malloc(sizeof(Edf) + n * sizeof(EdfEntry))
    cdef double sum = 0
    cdef double served
    cdef uint64_t played = 0
    cdef uint32_t i
    if edf == NULL:
        return NULL
    edf.now = 0
    edf.len = 0
    for i in range(n):
        sum += weights[i]
    for i in range(n):
        if weights[i] <= 0:
            continue
        served = floor(picks * (weights[i] / sum))
        played += <uint64_t>served
        edf.entries[edf.len].deadline = (served + 1) / weights[i]
        edf.entries[edf.len].order = edf.len
        edf.entries[edf.len].index = i
        edf.len += 1
    if edf.len == 0:
        free(edf)
        return NULL
    edf.order = edf.len
    for i in range(edf.len // 2, 0, -1):
        sift_down(edf, i - 1)
    while played < picks:
        played += 1
        edf_put_back(edf, weights[edf_top(edf)])
    return edf


cdef void edf_put_back(Edf *edf, double weight) noexcept nogil:
    cdef EdfEntry *top = &edf.entries[0]
    top.deadline = edf.now + 1.0 / weight
    top.order = edf.order
    edf.order += 1
    sift_down(edf, 0)
