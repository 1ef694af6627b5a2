"""Cells of runtime keys: one per key that a table or a reader asked for, kept for the life of the proxy.

Owns the memory that tables point into, so it must outlive them: the proxy holds it (through its StatsRegistry) until its workers are
closed. Must not know layers or files (mesh.runtime does). Main thread; workers read the cells' words meanwhile.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
import random as chance

from meshcore.base.atomics cimport atomic_store
from meshcore.base.runtime cimport *

WHOLE = 100                        # of an integer that stands where a fraction is asked for


cdef void write_cell(RuntimeCell *cell, object value) except *:
    cdef NumberBits number
    cdef uint64_t fraction = 0
    number.bits = RUNTIME_UNSET
    if value is not None and value.fraction is not None:
        fraction = <uint64_t>value.fraction[0] << 32 | <uint64_t>value.fraction[1]
    elif value is not None and value.integer is not None:
        fraction = <uint64_t>min(value.integer, WHOLE) << 32 | <uint64_t>WHOLE
    if value is not None and value.number is not None:
        number.number = value.number + 0.0        # -0.0 becomes 0.0: its bits mean that there is none
    atomic_store(&cell.fraction, <int64_t>fraction)
    atomic_store(&cell.integer, RUNTIME_UNSET if value is None or value.integer is None else min(value.integer, 2 ** 63 - 1))
    atomic_store(&cell.number, number.bits)
    atomic_store(&cell.boolean, RUNTIME_UNSET if value is None or value.boolean is None else int(value.boolean))


cdef class RuntimeCells:
    """The runtime keys of one proxy as its workers see them. `set` replaces all values at once (each key for itself)."""

    def __cinit__(self):
        self.places = {}
        self.values = {}

    def __dealloc__(self):
        cdef Chunk *chunk
        while self.chunks != NULL:
            chunk = self.chunks
            self.chunks = chunk.next
            free(chunk)

    cdef RuntimeCell *cell(self, str key) except? NULL:
        cdef Chunk *chunk
        cdef RuntimeCell *found
        if not key:
            return NULL
        place = self.places.get(key)
        if place is not None:
            return <RuntimeCell *><size_t>place
        if self.chunks == NULL or self.used == CELLS_A_CHUNK:
            chunk = <Chunk *>calloc(1, sizeof(Chunk))
            if chunk == NULL:
                raise MemoryError
            chunk.next = self.chunks
            self.chunks = chunk
            self.used = 0
        found = &self.chunks.cells[self.used]
        self.used += 1
        write_cell(found, self.values.get(key))
        self.places[key] = <size_t>found
        return found

    cdef int fill(self, object fraction, RuntimeFraction *out) except -1:
        """From spec.RuntimeFraction; None: everything is in it."""
        out.cell = NULL
        out.numerator = out.denominator = 0
        if fraction is not None:
            out.cell = self.cell(fraction.key)
            out.numerator = fraction.numerator
            out.denominator = fraction.denominator
        return 0

    def set(self, values):
        """`values`: key -> spec.RuntimeValue; a key that is not in it falls back to the defaults of its users."""
        self.values = dict(values)
        for key, place in self.places.items():
            write_cell(<RuntimeCell *><size_t>place, self.values.get(key))

    def mentions(self, str prefix):
        """Whether a key that begins so says something now."""
        return any(key.startswith(prefix) for key in self.values)

    def said(self, str key):
        """The spec.RuntimeValue of a key now, None when it says nothing; makes no cell."""
        return self.values.get(key)

    def enabled(self, str key, int percent):
        """Whether something that has no part in requests is on: with the chance in percent that `key` says now, else `percent`."""
        value = self.values.get(key)
        said = value is not None and value.integer is not None
        return chance.random() * WHOLE < (value.integer if said else percent)

    def hits(self, fraction, uint64_t random):
        """Whether `random` falls into spec.RuntimeFraction `fraction` now."""
        cdef RuntimeFraction now
        self.fill(fraction, &now)
        return bool(runtime_hits(&now, random))

    def integer(self, str key, int64_t otherwise):
        """What `key` says now, `otherwise` when it says no integer."""
        return runtime_integer(self.cell(key), otherwise)

    def number(self, str key, double otherwise):
        """What `key` says now, `otherwise` when it says no number."""
        return runtime_number(self.cell(key), otherwise)

    def boolean(self, str key, bint otherwise):
        """What `key` says now, `otherwise` when it is neither true nor false."""
        return bool(runtime_boolean(self.cell(key), otherwise))
