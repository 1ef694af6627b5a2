# Connection balancing (exact_balance): the worker of a listener that has the fewest connections takes the next one.
#
# Whoever accepts a connection chooses, under the lock of the listener's Shares, and counts it for the worker that shall have it; if that is
# another one, the bare descriptor goes there through its mailbox. It counts until its transport closes. A worker whose listener is gone by
# then closes it. Worker threads.
from libc.stdint cimport uint32_t

from meshcore.conf.shares cimport Shares
from meshcore.io.listener cimport Server
from meshcore.proxy.objects cimport Engine

cdef bint balance_give(Server *server, int fd) noexcept nogil         # a listener's hook: True when another worker has it
cdef void balance_take(Engine *engine, uint32_t listener, Shares *shares, int fd) noexcept nogil      # ... which is this one
