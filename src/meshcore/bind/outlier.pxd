# Outlier detection as Python sees it: the inbox that workers fill, and what each watched host did. Main thread and health thread, with the GIL.
from libc.stdint cimport uint64_t

from meshcore.base.arena cimport Arena
from meshcore.bind.runtime cimport RuntimeCells
from meshcore.cluster.outlier cimport Inbox, Outlier, OutlierConf

cdef class OutlierInbox:
    cdef Inbox inbox
    cdef uint64_t next_id
    cdef Outlier *watch(self, const OutlierConf *conf) except NULL      # for a new host

cdef class OutlierRef:
    cdef Outlier *outlier          # one reference

cdef OutlierRef outlier_ref(Outlier *outlier)

# NULL: neither outlier detection nor active checks are configured.
cdef OutlierConf *outlier_conf(Arena *arena, object spec, RuntimeCells cells) except? NULL
