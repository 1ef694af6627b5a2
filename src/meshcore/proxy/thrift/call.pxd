# Thrift call: where one call stands between its downstream connection and an upstream one, and what an event makes of it.
#
# A table, no sockets: whoever owns the call tells it what happened and carries out the CallAct bits in their order. Several calls of
# one downstream connection are under way at once, each with an upstream connection of its own, so each has a state of its own. Calls and
# replies go on when they are complete, as in Envoy, so until then every failure can still be answered. Worker thread.
from libc.stdint cimport uint8_t

cdef enum CallState:
    # thrift_call_state_name prints it.
    CALL_ROUTING                   # its envelope was read; filters and router decide
    CALL_WAITING                   # it has a host and waits for a connection
    CALL_SENDING                   # it has a connection; the rest of its payload is to come
    CALL_SENT                      # all of it has gone; the reply is to come
    CALL_REPLYING                  # the rest of the reply is to come
    CALL_DONE                      # nothing more can happen to it
    CALL_STATES                    # how many there are

cdef enum CallEvent:
    CALL_ROUTED                    # there is a route, a cluster and a host
    CALL_REFUSED                   # there is none of these
    CALL_LIMITED                   # a filter said no
    CALL_CONNECTED
    CALL_OVERFLOW                  # a circuit breaker had no room
    CALL_CONNECT_FAILED            # refused, timed out, or closed before it was used
    CALL_REQUEST_END               # the last byte of a call has gone
    CALL_ONEWAY_END                # the same of a call without a reply
    CALL_REQUEST_BROKEN            # its payload is no Thrift
    CALL_REPLY_BEGIN               # the envelope of the reply was read
    CALL_REPLY_END
    CALL_REPLY_BROKEN              # the upstream sent no Thrift
    CALL_UPSTREAM_CLOSED
    CALL_DOWNSTREAM_CLOSED
    CALL_EVENTS

cdef enum CallAct:
    ACT_NONE = 0
    ACT_CONNECT = 1                # ask the pool
    ACT_SEND = 2                   # it has its connection
    ACT_FORWARD = 4                # the reply, whole
    ACT_RELEASE = 8                # the upstream connection goes back to its pool
    ACT_DROP = 16                  # it is closed, or its wait cancelled
    ACT_EXCEPTION = 32             # answer with an application exception (local_reply)
    ACT_CLOSE = 64                 # end the downstream connection behind that

# The acts for an event, and the state after it. An event that cannot happen in a state changes nothing and asks for nothing.
cdef uint8_t thrift_call_happens(uint8_t *state, uint8_t event) noexcept nogil
cdef bint thrift_call_can(uint8_t state, uint8_t event) noexcept nogil
cdef const char *thrift_call_state_name(uint8_t state) noexcept nogil
