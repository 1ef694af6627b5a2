# Access index: which policies can hold at all for a request, by the one exact value that most of them ask for.
#
# Many policies ask for one path or one value of one header. Those are found by that value; the rest are asked for every request. What is
# left out is what cannot hold, so the answer is that of asking all in their order; where the value is not one (a header on several lines),
# nothing is left out. Compiled on the main thread, immutable; asked by workers.
from libc.stdint cimport uint32_t, uint64_t

from meshcore.base.span cimport Span

cdef struct AccessSlot:
    uint64_t hash
    Span value
    const uint32_t *places         # of policies, ascending
    uint32_t places_len            # 0: a free slot

cdef struct AccessIndex:
    AccessSlot *slots
    uint32_t mask                  # there is a free slot
    const uint32_t *rest           # places of the others, ascending
    uint32_t rest_len

cdef AccessSlot *access_slot(const AccessIndex *index, Span value) noexcept nogil      # of that value, or the free one where it belongs
