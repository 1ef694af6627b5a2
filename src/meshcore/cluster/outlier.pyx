"""Outlier detection, the workers' half: counters and the Inbox. See outlier.pxd for the law."""
from libc.stdlib cimport calloc, free

from meshcore.base.atomics cimport *
from meshcore.base.runtime cimport runtime_integer


cdef Outlier *outlier_new(const OutlierConf *conf, Inbox *inbox, uint64_t id) noexcept nogil:
    cdef Outlier *outlier = <Outlier *>calloc(1, sizeof(Outlier))
    if outlier != NULL:
        outlier.refs = 1
        outlier.conf = conf
        outlier.inbox = inbox
        outlier.id = id
    return outlier


cdef void outlier_unref(Outlier *outlier) noexcept nogil:
    if outlier != NULL and atomic_unref(&outlier.refs) == 0:
        free(outlier)


# --- what happened --------------------------------------------------------------------------------------------------


cdef void post(Outlier *outlier, int event) noexcept nogil:
    cdef Inbox *inbox = outlier.inbox
    cdef void *top
    atomic_store(&outlier.events[event], 1)
    # The reader clears `queued` before it looks at the events, so one that comes meanwhile queues the host again.
    if atomic_swap(&outlier.queued, 1) != 0:
        return
    atomic_ref(&outlier.refs)
    while True:
        top = atomic_peek(&inbox.top)
        outlier.next = <Outlier *>top
        if atomic_swap_if(&inbox.top, top, outlier):
            break
    if top == NULL:
        inbox.wake(inbox)


cdef void failed_again(Outlier *outlier, int event) noexcept nogil:
    # Exactly at the threshold: further failures of the same run say nothing new until the reader has begun another.
    cdef const OutlierConf *conf = outlier.conf
    if atomic_add(&outlier.runs[event], 1) == runtime_integer(conf.cells[event], conf.thresholds[event]):
        post(outlier, event)


cdef void run_over(Outlier *outlier, int event) noexcept nogil:
    # Read first: a healthy host's line stays shared between the workers.
    if atomic_load(&outlier.runs[event]) != 0:
        atomic_store(&outlier.runs[event], 0)


cdef void outlier_status(Outlier *outlier, uint16_t status) noexcept nogil:
    if not outlier.conf.detects:
        return
    atomic_add(&outlier.totals[TOTAL_ANSWERS], 1)
    if status < 500 or status > 599:
        run_over(outlier, OUTLIER_5XX)
        run_over(outlier, OUTLIER_GATEWAY)
        return
    atomic_add(&outlier.totals[TOTAL_ERRORS], 1)
    if 502 <= status <= 504:
        failed_again(outlier, OUTLIER_GATEWAY)
    else:
        run_over(outlier, OUTLIER_GATEWAY)
    failed_again(outlier, OUTLIER_5XX)


cdef void outlier_connected(Outlier *outlier) noexcept nogil:
    if not outlier.conf.split:
        return
    atomic_add(&outlier.totals[TOTAL_CONNECTS], 1)
    run_over(outlier, OUTLIER_LOCAL)


cdef void outlier_failed(Outlier *outlier, uint16_t status) noexcept nogil:
    if not outlier.conf.split:
        outlier_status(outlier, status)
        return
    atomic_add(&outlier.totals[TOTAL_CONNECTS], 1)
    atomic_add(&outlier.totals[TOTAL_CONNECT_ERRORS], 1)
    failed_again(outlier, OUTLIER_LOCAL)


cdef void outlier_failed_now(Outlier *outlier) noexcept nogil:
    if outlier.conf.checked:
        post(outlier, OUTLIER_FAILED_NOW)


# --- who looks at it ------------------------------------------------------------------------------------------------


cdef Outlier *inbox_take(Inbox *inbox) noexcept nogil:
    cdef Outlier *outlier = <Outlier *>atomic_take(&inbox.top)
    cdef Outlier *first = NULL
    cdef Outlier *next
    while outlier != NULL:
        next = outlier.next
        outlier.next = first
        first = outlier
        outlier = next
    return first


cdef int64_t outlier_take_events(Outlier *outlier) noexcept nogil:
    cdef int64_t found = 0
    cdef int event
    atomic_swap(&outlier.queued, 0)
    for event in range(OUTLIER_EVENTS):
        if atomic_load(&outlier.events[event]):
            atomic_store(&outlier.events[event], 0)
            found |= <int64_t>1 << event
    return found


cdef bint outlier_take_totals(Outlier *outlier, int64_t *since) noexcept nogil:
    cdef int64_t now
    cdef bint some = False
    cdef int i
    for i in range(OUTLIER_TOTALS):
        now = atomic_load(&outlier.totals[i])
        since[i] = now - outlier.seen[i]
        outlier.seen[i] = now
        some = some or since[i] != 0
    return some
