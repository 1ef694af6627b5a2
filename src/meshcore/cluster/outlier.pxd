# Outlier detection, the workers' half: what each host answered, and when it has failed often enough to be looked at.
#
# An Outlier is the block of counters of one host of a cluster with outlier detection or active checks; a host without one costs a NULL
# test. Workers count in it with atomics and, when a run of failures reaches its threshold, put it into the Inbox and wake whoever reads
# that. Must not judge: mesh.health.detector decides on its own thread, from Inbox and counters, who is ejected. A block lives as long as
# its host, its place in the Inbox or a reader refers to it.
from libc.stdint cimport int64_t, uint16_t, uint64_t

from meshcore.base.runtime cimport RuntimeCell

cdef enum:                         # OutlierEvent: why a host is in the Inbox
    OUTLIER_5XX                    # consecutive_5xx
    OUTLIER_GATEWAY                # consecutive_gateway_failure
    OUTLIER_LOCAL                  # consecutive_local_origin_failure
    OUTLIER_FAILED_NOW             # a response carried x-envoy-immediate-health-check-fail
    OUTLIER_EVENTS

cdef enum:
    OUTLIER_RUNS = OUTLIER_FAILED_NOW      # events that come from a run of failures

cdef enum:                         # OutlierTotal: what success rates are computed from
    TOTAL_ANSWERS                  # responses, and failures that stand for one
    TOTAL_ERRORS                   # of these, 5xx
    TOTAL_CONNECTS                 # local origin: connections asked for
    TOTAL_CONNECT_ERRORS
    OUTLIER_TOTALS

cdef struct OutlierConf:
    # Of a cluster; in the arena of its table.
    bint detects                   # False: active checks alone, which want to hear of OUTLIER_FAILED_NOW
    bint checked                   # there are active checks
    bint split                     # split_external_local_origin_errors
    int64_t thresholds[OUTLIER_RUNS]
    const RuntimeCell *cells[OUTLIER_RUNS]

cdef struct Outlier:
    int64_t refs                   # atomic
    Outlier *next                  # in the Inbox
    Inbox *inbox
    const OutlierConf *conf
    uint64_t id                    # by which its reader knows it
    int64_t queued                 # atomic; 1: it is in the Inbox
    int64_t events[OUTLIER_EVENTS]         # atomic; 1: happened since it was last taken
    int64_t runs[OUTLIER_RUNS]     # atomic; consecutive failures
    int64_t totals[OUTLIER_TOTALS]         # atomic; they only grow
    int64_t seen[OUTLIER_TOTALS]   # the reader's: totals at its last sweep

cdef struct Inbox:
    void *top                      # atomic: the newest Outlier
    void (*wake)(Inbox *inbox) noexcept nogil      # called by the worker that finds it empty
    int fd                         # for `wake`

cdef Outlier *outlier_new(const OutlierConf *conf, Inbox *inbox, uint64_t id) noexcept nogil      # refs = 1; NULL: no memory
cdef void outlier_unref(Outlier *outlier) noexcept nogil                                          # NULL is fine

# Worker threads. A response, or the status that a failure stands for; a connection to the host that was or was not to be had.
cdef void outlier_status(Outlier *outlier, uint16_t status) noexcept nogil
cdef void outlier_connected(Outlier *outlier) noexcept nogil
cdef void outlier_failed(Outlier *outlier, uint16_t status) noexcept nogil     # status: what it counts as where origins are not split
cdef void outlier_failed_now(Outlier *outlier) noexcept nogil

# The reader's thread. All that are in the Inbox, oldest first, with a reference each; `next` is another's as soon as the events were taken.
cdef Outlier *inbox_take(Inbox *inbox) noexcept nogil
cdef int64_t outlier_take_events(Outlier *outlier) noexcept nogil              # 1 << OutlierEvent bits
# OUTLIER_TOTALS counts since the last sweep; False: there were none.
cdef bint outlier_take_totals(Outlier *outlier, int64_t *since) noexcept nogil
