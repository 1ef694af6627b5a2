# Cells of runtime keys: where the tables of one proxy point to, and where its runtime writes. Main thread, with the GIL.
from libc.stdint cimport uint32_t

from meshcore.base.runtime cimport RuntimeCell, RuntimeFraction

cdef enum:
    CELLS_A_CHUNK = 64

cdef struct Chunk:
    Chunk *next
    RuntimeCell cells[CELLS_A_CHUNK]

cdef class RuntimeCells:
    cdef Chunk *chunks             # newest first; a cell never moves
    cdef uint32_t used             # of the newest chunk
    cdef dict places               # key -> address of its cell
    cdef dict values               # key -> spec.RuntimeValue, of all keys that have one

    cdef RuntimeCell *cell(self, str key) except? NULL              # NULL for ""
    cdef int fill(self, object fraction, RuntimeFraction *out) except -1
