"""Thrift call: the table of states and events. See call.pxd for the law.

After a local reply Envoy drains the downstream connection, except when a circuit breaker was full; so do we. The table is filled when
the module is imported and read-only afterwards.
"""
from libc.stdint cimport uint8_t

cdef enum:
    ANSWER = ACT_EXCEPTION | ACT_CLOSE

# (state, event, state after it, acts); what is not here cannot happen.
TABLE = (
    (CALL_ROUTING, CALL_ROUTED, CALL_WAITING, ACT_CONNECT),
    (CALL_ROUTING, CALL_REFUSED, CALL_DONE, ANSWER),
    (CALL_ROUTING, CALL_REQUEST_BROKEN, CALL_DONE, ANSWER),
    (CALL_ROUTING, CALL_TIMEOUT, CALL_DONE, ANSWER),
    (CALL_ROUTING, CALL_DOWNSTREAM_CLOSED, CALL_DONE, ACT_NONE),

    (CALL_WAITING, CALL_CONNECTED, CALL_SENDING, ACT_SEND),
    (CALL_WAITING, CALL_OVERFLOW, CALL_DONE, ACT_EXCEPTION),
    (CALL_WAITING, CALL_CONNECT_FAILED, CALL_DONE, ANSWER),
    (CALL_WAITING, CALL_REQUEST_BROKEN, CALL_DONE, ANSWER | ACT_DROP),
    (CALL_WAITING, CALL_TIMEOUT, CALL_DONE, ANSWER | ACT_DROP),
    (CALL_WAITING, CALL_DOWNSTREAM_CLOSED, CALL_DONE, ACT_DROP),

    (CALL_SENDING, CALL_REQUEST_END, CALL_SENT, ACT_NONE),
    (CALL_SENDING, CALL_ONEWAY_END, CALL_DONE, ACT_RELEASE),
    (CALL_SENDING, CALL_REQUEST_BROKEN, CALL_DONE, ANSWER | ACT_DROP),
    (CALL_SENDING, CALL_REPLY_BEGIN, CALL_BOTH, ACT_FORWARD),
    (CALL_SENDING, CALL_REPLY_BROKEN, CALL_DONE, ANSWER | ACT_DROP),
    (CALL_SENDING, CALL_UPSTREAM_CLOSED, CALL_DONE, ANSWER),
    (CALL_SENDING, CALL_TIMEOUT, CALL_DONE, ANSWER | ACT_DROP),
    (CALL_SENDING, CALL_DOWNSTREAM_CLOSED, CALL_DONE, ACT_DROP),

    (CALL_SENT, CALL_REPLY_BEGIN, CALL_REPLYING, ACT_FORWARD),
    (CALL_SENT, CALL_REPLY_BROKEN, CALL_DONE, ANSWER | ACT_DROP),
    (CALL_SENT, CALL_UPSTREAM_CLOSED, CALL_DONE, ANSWER),
    (CALL_SENT, CALL_TIMEOUT, CALL_DONE, ANSWER | ACT_DROP),
    (CALL_SENT, CALL_DOWNSTREAM_CLOSED, CALL_DONE, ACT_DROP),

    (CALL_BOTH, CALL_REQUEST_END, CALL_REPLYING, ACT_NONE),
    # The rest of the request has nowhere to go: nothing behind it on this connection could be told from it.
    (CALL_BOTH, CALL_REPLY_END, CALL_DONE, ACT_CLOSE | ACT_DROP),
    (CALL_BOTH, CALL_REQUEST_BROKEN, CALL_DONE, ACT_CUT | ACT_DROP),
    (CALL_BOTH, CALL_REPLY_BROKEN, CALL_DONE, ACT_CUT | ACT_DROP),
    (CALL_BOTH, CALL_UPSTREAM_CLOSED, CALL_DONE, ACT_CUT),
    (CALL_BOTH, CALL_TIMEOUT, CALL_DONE, ACT_CUT | ACT_DROP),
    (CALL_BOTH, CALL_DOWNSTREAM_CLOSED, CALL_DONE, ACT_DROP),

    (CALL_REPLYING, CALL_REPLY_END, CALL_DONE, ACT_RELEASE),
    (CALL_REPLYING, CALL_REPLY_BROKEN, CALL_DONE, ACT_CUT | ACT_DROP),
    (CALL_REPLYING, CALL_UPSTREAM_CLOSED, CALL_DONE, ACT_CUT),
    (CALL_REPLYING, CALL_TIMEOUT, CALL_DONE, ACT_CUT | ACT_DROP),
    (CALL_REPLYING, CALL_DOWNSTREAM_CLOSED, CALL_DONE, ACT_DROP),
)
NAMES = (b"routing", b"waiting", b"sending", b"sent", b"both", b"replying", b"done")

cdef struct Step:
    bint known
    uint8_t next
    uint8_t acts

cdef Step steps[CALL_STATES][CALL_EVENTS]
cdef const char *names[CALL_STATES]


cdef _fill():
    for state in range(CALL_STATES):
        names[<int>state] = NAMES[state]
        for event in range(CALL_EVENTS):
            steps[<int>state][<int>event] = Step(False, state, ACT_NONE)
    for state, event, after, acts in TABLE:
        assert not steps[<int>state][<int>event].known
        steps[<int>state][<int>event] = Step(True, after, acts)


_fill()


cdef uint8_t thrift_call_happens(uint8_t *state, uint8_t event) noexcept nogil:
    cdef Step step = steps[state[0]][event]
    state[0] = step.next
    return step.acts


cdef bint thrift_call_can(uint8_t state, uint8_t event) noexcept nogil:
    return steps[state][event].known


cdef const char *thrift_call_state_name(uint8_t state) noexcept nogil:
    return names[state]
