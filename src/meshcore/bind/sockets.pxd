# Compiles what is said to the kernel and to hosts about connections (socket_spec.py). Main thread, with the GIL.
from libc.stdint cimport uint8_t

from meshcore.base.arena cimport Arena
from meshcore.bind.stats cimport StatsRegistry
from meshcore.conf.dial cimport Dial, Tally
from meshcore.conf.proxy_out cimport ProxyOut
from meshcore.conf.shares cimport Shares

cdef int compile_dial(Arena *arena, object spec, Dial *out) except -1
cdef ProxyOut *compile_proxy_out(Arena *arena, object spec) except NULL
cdef uint8_t *compile_types(Arena *arena, object types) except? NULL        # a bit for each type of TLV; NULL: none
cdef bytes tlvs_of(object pairs)                                             # as they are written; pairs: (type, value)
cdef Tally *tally_of(str listener) except NULL                               # of a listener's open connections; never freed
cdef Shares *shares_of(str listener, StatsRegistry registry) except NULL      # ... and of each worker; never freed
