# Thrift upstream connections: a call to bytes, reply bytes to what its call does with them. Made by a pool, freed when its transport has closed.
#
# One call at a time. What speaks the Twitter protocol is asked first whether it does. Bytes that nobody asked for close the connection.
# Worker thread.
from libc.stdint cimport uint8_t

from meshcore.proxy.thrift.objects cimport ThriftCall, ThriftPool, ThriftUpstream

cdef ThriftUpstream *upstream_dial(ThriftPool *pool) noexcept nogil             # NULL: refused at once
cdef void upstream_begin(ThriftUpstream *upstream, ThriftCall *call) noexcept nogil       # ends in call_ready, maybe at once
cdef void upstream_send(ThriftCall *call) noexcept nogil                        # the whole request
cdef void upstream_give_back(ThriftCall *call) noexcept nogil                  # the call needs it no more
cdef void upstream_drop(ThriftCall *call) noexcept nogil                        # closed: what is on it belongs to nobody
cdef void upstream_close(ThriftUpstream *upstream) noexcept nogil
cdef const char *thrift_up_state_name(uint8_t state) noexcept nogil
