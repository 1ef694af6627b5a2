# Registry of statistics: names to slots, and the reader that merges all workers. One writer at a time, with the GIL.
from libc.stdint cimport int64_t, uint32_t, uint64_t

from meshcore.bind.runtime cimport RuntimeCells
from meshcore.observe.late_stats cimport LateStats

cdef class Layout:
    cdef readonly tuple names
    cdef dict places               # name -> its place in `names`
    cdef list order                # places of what `samples` shows, by name
    cdef list blocky               # places of histograms and codes
    cdef char *kinds               # of each place: COUNTER ... CODES
    cdef char *lazy
    cdef uint32_t *at              # of each place: how far its slots (or pointer slots) lie behind the first of the group
    cdef uint32_t *own_at          # of each slot: its place in Group.own, plus one; 0: the main thread never counted there
    cdef uint32_t own_len
    cdef readonly uint32_t slots   # how many slots and pointer slots a group of this layout takes
    cdef readonly uint32_t blocks

cdef class Group:
    cdef readonly str prefix
    cdef readonly Layout layout
    cdef readonly uint32_t slot    # the first of its slots
    cdef readonly uint32_t block   # the first of its pointer slots
    cdef public int owners
    cdef uint64_t *own             # what the main thread counts, by Layout.own_at: few slots of few groups
    cdef uint32_t own_len
    cdef uint64_t *base            # per slot: raw count of an earlier owner, or of the time before a reset; NULL: all 0
    cdef dict values               # place -> a text, or what a gauge is set to that no slot holds
    cdef set touched               # places of counters that counted before a reset
    cdef dict cells                # place -> Cells of a histogram or of codes that ever counted
    cdef object source             # its gauges() are worked out when somebody asks, or None

    cdef uint32_t slot_of(self, str name) except 0
    cdef uint64_t *own_cell(self, uint32_t at) except NULL

cdef class StatsRegistry:
    cdef readonly RuntimeCells runtime   # of the same proxy: whoever builds tables needs both
    cdef readonly size_t cap       # slots of each array; the upper half holds addresses of blocks
    cdef size_t used               # slots and pointer slots given out so far, freed ones included
    cdef size_t used_blocks
    cdef uint64_t *own             # what detached workers left, and the main thread's histograms
    cdef uint64_t **workers        # the workers' arrays
    cdef int workers_len
    cdef dict groups               # prefix -> Group
    cdef dict free                 # (slots, blocks) -> [(first slot, first pointer slot)] that may be reused

    cdef LateStats *late           # names that came while workers ran
    cdef dict late_groups          # first slot -> Group of each that has been read from there
    cdef int64_t late_refused      # how many of the refused ones have been counted

    cdef Group group(self, str prefix, Layout layout)
    cdef int read_late(self) except -1
    cdef void keep(self, uint64_t *slots, size_t first, size_t end) noexcept
    cdef void keep_blocks(self, uint64_t *slots, size_t first, size_t end) noexcept
    cdef uint64_t raw(self, Group group, uint32_t at) noexcept
    cdef dict counted(self, size_t first, uint32_t blocks)
    cdef int place(self, size_t address) noexcept
