# Failure: a try broke off or took too long. Another try follows, or a local reply, or the response under way is cut.
#
# Called by pools and upstream connections (attempt_failed) and by an attempt's timers. Whether another try is wanted is decided in retry.pyx; here
# the breaker is asked, the wait is armed and what happened is counted. Worker thread.
from libc.stdint cimport uint8_t, uint16_t

from meshcore.base.span cimport Span
from meshcore.base.wheel cimport Timer, timer_armed
from meshcore.proxy.objects cimport Attempt, Stream

cdef void attempt_failed(Attempt *attempt, uint8_t reason, Span failure) noexcept nogil       # before or after it had a connection
cdef void attempt_refused(Attempt *attempt) noexcept nogil                    # its host may have no more connection pools
cdef bint try_again(Stream *stream) noexcept nogil                            # True: another try is on its way

cdef inline bint another_may_answer(Stream *stream) noexcept nogil:
    return stream.attempt != NULL or timer_armed(&stream.backoff)

cdef void give_retry(Stream *stream) noexcept nogil                           # gives back the breaker's retry, if one is held
cdef void limit_exceeded(Stream *stream) noexcept nogil
cdef uint16_t timeout_status(Stream *stream) noexcept nogil                   # 504, or the 204 that the request asked for instead
cdef void timed_out(Stream *stream, Span details) noexcept nogil              # answers with it
cdef void on_try_timeout(Timer *timer) noexcept nogil
cdef void on_try_idle(Timer *timer) noexcept nogil
cdef void on_try_duration(Timer *timer) noexcept nogil
