# Addresses of a plan as the engine's structs. Main thread, with the GIL.
from meshcore.observe.record cimport IpAddress

cdef int address_fill(object spec, IpAddress *out) except -1
