# What is known of a connection whatever it speaks, as log lines, filters and rules ask for it. Worker thread.
from meshcore.observe.record cimport Record
from meshcore.proxy.objects cimport Connection

cdef void connection_facts(Connection *connection, Record *record) noexcept nogil       # all of it is written
