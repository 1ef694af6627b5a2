# Batch: streams whose next step waits for the end of the loop iteration, so that one acquisition of the GIL serves them all.
#
# A filter hook enters its stream and answers FILTER_STOP; the worker runs the batch once per iteration, before it sleeps. One thread.
from meshcore.filter.http cimport Batch, BatchItem

cdef inline void batch_init(Batch *batch) noexcept nogil:
    batch.first = NULL
    batch.last = &batch.first
    batch.run = NULL
    batch.owner = NULL

cdef inline void batch_enter(Batch *batch, BatchItem *item) noexcept nogil:
    item.next = NULL
    item.link = batch.last
    batch.last[0] = item
    batch.last = &item.next

cdef inline void batch_leave(Batch *batch, BatchItem *item) noexcept nogil:
    if item.link == NULL:
        return
    item.link[0] = item.next
    if item.next != NULL:
        item.next.link = item.link
    else:
        batch.last = item.link
    item.link = NULL
