"""Thrift call: the table of states and events. See call.pxd for the law.

After a local reply Envoy closes the downstream connection, except when a circuit breaker or a rate limit was full; so do we. The table is filled when
the module is imported and read-only afterwards.
"""
from libc.stdint cimport uint8_t

cdef enum:
    ANSWER = ACT_EXCEPTION | ACT_CLOSE
    FAIL = ANSWER | ACT_DROP

# (event, what it does in each state): state -> (state after it, acts). What is not here cannot happen.
TABLE = (
    (CALL_ROUTED, {CALL_ROUTING: (CALL_WAITING, ACT_CONNECT)}),
    (CALL_REFUSED, {CALL_ROUTING: (CALL_DONE, ANSWER)}),
    (CALL_LIMITED, {CALL_ROUTING: (CALL_DONE, ACT_EXCEPTION)}),
    (CALL_CONNECTED, {CALL_WAITING: (CALL_SENDING, ACT_SEND)}),
    (CALL_OVERFLOW, {CALL_WAITING: (CALL_DONE, ACT_EXCEPTION)}),
    (CALL_CONNECT_FAILED, {CALL_WAITING: (CALL_DONE, ANSWER)}),
    (CALL_REQUEST_END, {CALL_SENDING: (CALL_SENT, ACT_NONE)}),
    (CALL_ONEWAY_END, {CALL_SENDING: (CALL_DONE, ACT_RELEASE)}),
    # What comes behind a call that has gone may be no Thrift too: then nobody else can be told.
    (CALL_REQUEST_BROKEN, {
        CALL_ROUTING: (CALL_DONE, ANSWER),
        **dict.fromkeys((CALL_WAITING, CALL_SENDING, CALL_SENT, CALL_REPLYING), (CALL_DONE, FAIL)),
    }),
    (CALL_REPLY_BEGIN, {CALL_SENT: (CALL_REPLYING, ACT_NONE)}),
    (CALL_REPLY_END, {CALL_REPLYING: (CALL_DONE, ACT_FORWARD | ACT_RELEASE)}),
    # It waits, too, while its connection is asked for the Twitter protocol.
    (CALL_REPLY_BROKEN, dict.fromkeys((CALL_WAITING, CALL_SENDING, CALL_SENT, CALL_REPLYING), (CALL_DONE, FAIL))),
    (CALL_UPSTREAM_CLOSED, dict.fromkeys((CALL_WAITING, CALL_SENDING, CALL_SENT, CALL_REPLYING), (CALL_DONE, ANSWER))),
    (CALL_DOWNSTREAM_CLOSED, {
        CALL_ROUTING: (CALL_DONE, ACT_NONE),
        **dict.fromkeys((CALL_WAITING, CALL_SENDING, CALL_SENT, CALL_REPLYING), (CALL_DONE, ACT_DROP)),
    }),
)
NAMES = (b"routing", b"waiting", b"sending", b"sent", b"replying", b"done")

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
    for event, steps_of in TABLE:
        for state, (after, acts) in steps_of.items():
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
