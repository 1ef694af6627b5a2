"""Outlier detection as Python sees it: the inbox that workers fill, and the runs of failures of each watched host.

An OutlierInbox must outlive the workers of the hosts that it watches: their proxy's publisher keeps it. Its `fd` becomes readable when a
worker has put a host in; `take` is called by one thread, `mesh.health`'s. With the GIL; workers write meanwhile.
"""
from libc.stdint cimport uint64_t
import os

from meshcore.base.atomics cimport atomic_ref, atomic_store
from meshcore.bind.matchers cimport take
from meshcore.cluster.outlier cimport *

cdef extern from "<sys/eventfd.h>" nogil:
    int eventfd_write(int fd, uint64_t value)

# Bits of what `take` answers, in the order of OutlierEvent.
EVENTS = {"consecutive_5xx": 1 << OUTLIER_5XX, "consecutive_gateway_failure": 1 << OUTLIER_GATEWAY,
          "consecutive_local_origin_failure": 1 << OUTLIER_LOCAL, "immediate_health_check_fail": 1 << OUTLIER_FAILED_NOW}
RUNS = {"consecutive_5xx": OUTLIER_5XX, "consecutive_gateway_failure": OUTLIER_GATEWAY,
        "consecutive_local_origin_failure": OUTLIER_LOCAL}


cdef void wake(Inbox *inbox) noexcept nogil:
    eventfd_write(inbox.fd, 1)


cdef class OutlierInbox:
    """Hosts whose failures have reached a threshold."""

    def __cinit__(self):
        self.inbox.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.inbox.wake = wake

    def __dealloc__(self):
        self.close()

    def close(self):
        """After the workers of the watched hosts have ended."""
        if self.inbox.fd >= 0:
            self.take()
            os.close(self.inbox.fd)
            self.inbox.fd = -1

    @property
    def fd(self):
        """Readable when there is something to take."""
        return self.inbox.fd

    cdef Outlier *watch(self, const OutlierConf *conf) except NULL:
        cdef Outlier *outlier
        self.next_id += 1
        outlier = outlier_new(conf, &self.inbox, self.next_id)
        if outlier == NULL:
            raise MemoryError
        return outlier

    def take(self):
        """[(id of a host, EVENTS bits)], oldest first; empties the inbox."""
        cdef Outlier *outlier
        cdef Outlier *next
        try:
            os.eventfd_read(self.inbox.fd)
        except BlockingIOError:
            pass
        out = []
        outlier = inbox_take(&self.inbox)
        while outlier != NULL:
            next = outlier.next
            out.append((outlier.id, outlier_take_events(outlier)))
            outlier_unref(outlier)
            outlier = next
        return out


cdef class OutlierRef:
    """What is counted of one host; keeps the counters alive."""

    def __dealloc__(self):
        outlier_unref(self.outlier)

    @property
    def id(self):
        """As in OutlierInbox.take."""
        return self.outlier.id

    def end_run(self, str name):
        """A run of failures (RUNS) begins anew."""
        atomic_store(&self.outlier.runs[<int>RUNS[name]], 0)


cdef OutlierRef outlier_ref(Outlier *outlier):
    cdef OutlierRef ref = OutlierRef()
    atomic_ref(&outlier.refs)
    ref.outlier = outlier
    return ref


cdef OutlierConf *outlier_conf(Arena *arena, object spec, RuntimeCells cells) except? NULL:
    cdef OutlierConf *conf
    settings = spec.outlier_detection
    if settings is None and spec.health_check is None:
        return NULL
    conf = <OutlierConf *>take(arena, sizeof(OutlierConf))
    conf.checked = spec.health_check is not None
    if settings is not None:
        conf.detects = True
        conf.split = settings.split_external_local_origin_errors
        for name, run in RUNS.items():
            conf.thresholds[<int>run] = getattr(settings, name)
            conf.cells[<int>run] = cells.cell(f"outlier_detection.{name}")
    return conf
