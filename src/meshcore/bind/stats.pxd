# Registry of statistics: names to slots, and the reader that merges all workers. One writer at a time, with the GIL.
from libc.stdint cimport uint64_t

cdef class StatsRegistry:
    cdef readonly size_t cap       # slots of each array
    cdef size_t used               # slots given out so far, freed ones included
    cdef uint64_t *own             # the main thread's statistics, and what detached workers left
    cdef uint64_t **workers        # the workers' arrays
    cdef int workers_len
    cdef dict stats                # name -> Stat
    cdef dict families             # prefix -> Family
    cdef dict free                 # number of slots -> first slots that may be reused

    cdef uint64_t raw(self, size_t slot) noexcept
    cdef size_t take(self, size_t n) except 0
    cdef dict counted(self, size_t first, size_t n)
    cdef int place(self, size_t address) noexcept
