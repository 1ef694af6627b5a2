# Earliest deadline first: shares by weight. The entry with the earliest deadline is served and queued again 1/weight later; ties go to the
# one that was queued first. O(log n) per pick. One schedule belongs to one worker.
from libc.stdint cimport uint32_t, uint64_t

cdef struct EdfEntry:
    double deadline
    uint64_t order                 # breaks ties: first queued, first served
    uint32_t index                 # what it stands for, among the weights that the schedule was made of

cdef struct Edf:
    double now                     # deadline of the entry served last
    uint64_t order
    uint32_t len
    EdfEntry entries[1]            # len of them, a heap

# A schedule as it stands after `picks` picks, so that workers do not all begin with the same entry. Weights of 0 are left out. NULL:
# no memory, or no weight.
cdef Edf *edf_new(const double *weights, uint32_t n, uint64_t picks) noexcept nogil
cdef void edf_put_back(Edf *edf, double weight) noexcept nogil         # queues the top again, with this weight

cdef inline uint32_t edf_top(Edf *edf) noexcept nogil:
    edf.now = edf.entries[0].deadline
    return edf.entries[0].index
