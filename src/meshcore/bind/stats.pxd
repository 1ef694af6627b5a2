# Registry of statistics: names to slots, and the reader that merges all workers. Main thread, with the GIL.
from libc.stdint cimport uint32_t, uint64_t

cdef class StatsRegistry:
    cdef readonly size_t cap       # slots of each array
    cdef size_t used               # slots given out so far, freed ones included
    cdef uint64_t *own             # the main thread's statistics, and what detached workers left
    cdef list workers              # addresses of the workers' arrays
    cdef dict stats                # name -> Stat
    cdef dict families             # prefix -> (first slot, first number, how many, owners)
    cdef dict free                 # number of slots -> first slots that may be reused

    cdef uint64_t raw(self, size_t slot) noexcept
    cdef size_t take(self, size_t n) except 0
