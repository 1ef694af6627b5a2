"""Access index; see access_index.pxd for the law."""
from meshcore.base.hash cimport xxhash64
from meshcore.base.span cimport span_equal


cdef AccessSlot *access_slot(const AccessIndex *index, Span value) noexcept nogil:
    cdef uint64_t hash = xxhash64(value.at, value.len, 0)
    cdef uint32_t at = <uint32_t>hash & index.mask
    while index.slots[at].places_len > 0 and not (index.slots[at].hash == hash and span_equal(index.slots[at].value, value)):
        at = (at + 1) & index.mask
    return &index.slots[at]
