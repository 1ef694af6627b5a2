# Thrift calls from their first byte to their log line: what each event does, as the table in call.pyx has it.
#
# A call belongs to its downstream connection and is freed when it is done and its request was read to the end, or with the connection. Each
# function here may free the call that it is given, and close its connection: the caller touches neither the call nor what it held
# afterwards. Worker thread.
from libc.stdint cimport uint8_t

from meshcore.base.span cimport Span
from meshcore.proxy.thrift.objects cimport ThriftCall, ThriftDownstream

cdef ThriftCall *call_new(ThriftDownstream *down) noexcept nogil                 # NULL: no memory
cdef void call_hold_conf(ThriftCall *call) noexcept nogil                         # what its listener was told stays while it lasts
cdef void call_request_complete(ThriftCall *call) noexcept nogil                  # its last byte was read
cdef void call_fail_protocol(ThriftCall *call, Span what) noexcept nogil          # its payload is no Thrift; the caller closes
cdef void call_discard(ThriftCall *call) noexcept nogil                           # new, and nothing more was read of it
cdef void call_refuse(ThriftCall *call, uint8_t reason, Span subject) noexcept nogil      # before it had a host
cdef void call_abandon(ThriftCall *call) noexcept nogil                           # its client is gone
cdef void call_limited(ThriftCall *call, uint8_t reason) noexcept nogil           # before it had a host; its connection stays
# From the pool and the upstream connection.
cdef void call_ready(ThriftCall *call) noexcept nogil                             # call.upstream is its own
cdef void call_overflow(ThriftCall *call) noexcept nogil
cdef void call_connect_failed(ThriftCall *call, uint8_t reason) noexcept nogil
cdef void call_reply_begin(ThriftCall *call) noexcept nogil                       # its envelope is in call.reply
cdef void call_reply_complete(ThriftCall *call) noexcept nogil
cdef void call_reply_broken(ThriftCall *call, Span what) noexcept nogil
cdef void call_upstream_closed(ThriftCall *call, bint local) noexcept nogil       # call.upstream is gone
