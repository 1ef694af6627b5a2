"""Drain: whether a response says Connection: close. See drain.pxd.

Gradually, the share of responses that do grows evenly over the drain time, so that the clients of a big server do not all come back at
once (Envoy's --drain-strategy gradual); immediately, all do. A server that fails its health check says it at once and in all responses.
"""
from libc.stdint cimport uint64_t

from meshcore.base.clock cimport clock_ms
from meshcore.base.random cimport random_u64
from meshcore.proxy.objects cimport *


cdef bint drain_closes(Stream *stream) noexcept nogil:
    # A connection may have gone over to its listener's successor since the stream began.
    return listener_drains(stream.down.conn.chain.listener if stream.down != NULL else stream.listener)


cdef bint listener_drains(ListenerLocal *listener) noexcept nogil:
    cdef Engine *engine = listener.engine
    cdef uint64_t since = listener.drain_since_ms
    if engine.draining or (engine.unhealthy and not listener.conf.modify_only):
        return True
    if since == 0:
        return False
    if not engine.drain_gradual or engine.drain_ms == 0:
        return True
    return clock_ms(&engine.loop.clock) - since > random_u64(&engine.loop.random) % engine.drain_ms


cdef void drain_start(ListenerLocal *listener) noexcept nogil:
    if listener.drain_since_ms == 0:
        listener.drain_since_ms = clock_ms(&listener.engine.loop.clock)
