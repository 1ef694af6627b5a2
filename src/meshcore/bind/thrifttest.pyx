"""Python face of proxy/thrift's tables, for tests only: nothing in the engine or in `mesh` may import it. Must add no behaviour."""
from libc.stdint cimport int32_t, uint8_t

from meshcore.base.span cimport span
from meshcore.proxy.thrift.call cimport *
from meshcore.proxy.thrift.local_reply cimport *

STATES = {thrift_call_state_name(state).decode(): state for state in range(CALL_STATES)}
EVENTS = {
    "routed": CALL_ROUTED, "refused": CALL_REFUSED, "limited": CALL_LIMITED, "connected": CALL_CONNECTED, "overflow": CALL_OVERFLOW,
    "connect_failed": CALL_CONNECT_FAILED, "request_end": CALL_REQUEST_END, "oneway_end": CALL_ONEWAY_END,
    "request_broken": CALL_REQUEST_BROKEN, "reply_begin": CALL_REPLY_BEGIN, "reply_end": CALL_REPLY_END,
    "reply_broken": CALL_REPLY_BROKEN, "upstream_closed": CALL_UPSTREAM_CLOSED,
    "downstream_closed": CALL_DOWNSTREAM_CLOSED,
}
ACTS = {
    "connect": ACT_CONNECT, "send": ACT_SEND, "forward": ACT_FORWARD, "exception": ACT_EXCEPTION, "close": ACT_CLOSE,
    "release": ACT_RELEASE, "drop": ACT_DROP,
}
REASONS_BY_NAME = {
    "no_route": REASON_NO_ROUTE, "unknown_cluster": REASON_UNKNOWN_CLUSTER, "maintenance": REASON_MAINTENANCE,
    "no_healthy_upstream": REASON_NO_HEALTHY_UPSTREAM, "overflow": REASON_OVERFLOW, "local_start": REASON_LOCAL_FAILURE_AT_START,
    "remote_start": REASON_REMOTE_FAILURE_AT_START, "timeout_start": REASON_TIMEOUT_AT_START,
    "local_reply": REASON_LOCAL_FAILURE_IN_REPLY, "remote_reply": REASON_REMOTE_FAILURE_IN_REPLY,
    "timeout_reply": REASON_TIMEOUT_IN_REPLY, "protocol_error": REASON_PROTOCOL_ERROR,
    "over_limit": REASON_OVER_LIMIT, "limiter_error": REASON_LIMITER_ERROR,
}
assert len(EVENTS) == CALL_EVENTS and len(REASONS_BY_NAME) == REASONS


def happens(str state, str event):
    """(state after the event, names of the acts), or None where the event cannot happen."""
    cdef uint8_t at = STATES[state]
    cdef uint8_t acts
    known = thrift_call_can(at, EVENTS[event])
    acts = thrift_call_happens(&at, EVENTS[event])
    found = thrift_call_state_name(at).decode(), frozenset(name for name, bit in ACTS.items() if acts & bit)
    if known:
        return found
    assert found == (state, frozenset())
    return None


def local_text(str reason, bytes subject):
    """(type, text) of an application exception."""
    cdef char text[LOCAL_TEXT_MAX]
    cdef int32_t type = 0
    cdef size_t n = thrift_local_text(REASONS_BY_NAME[reason], span(<const char *>subject, len(subject)), text, &type)
    return type, text[:n]
