# Hedging: several tries of one request at once; the first good answer is taken, the other tries are reset.
#
# Extra tries beside the first (initial_requests, additional_request_chance) each hold a retry of the cluster's breaker, so that hedging cannot
# add to an overload. With hedge_on_per_try_timeout a try that is too slow goes on beside the next. The router and failure.pyx call these, on the
# worker; a stream whose route has no hedge policy and that has one try never comes here.
from meshcore.base.wheel cimport timer_armed
from meshcore.proxy.objects cimport Attempt, Stream
from meshcore.route.table cimport HedgePolicy, Route

cdef inline bint hedge_others(Stream *stream) noexcept nogil:
    # Besides one try that is still in the lists another is under way or will come.
    return stream.others != NULL or timer_armed(&stream.backoff)

cdef void hedge_prepare(Stream *stream, Route *route) noexcept nogil          # what the route says, and the request's own header
cdef void hedge_start(Stream *stream, const HedgePolicy *policy) noexcept nogil       # the extra tries, after the first
cdef void hedge_slow(Attempt *attempt) noexcept nogil                         # its per-try timeout: another try joins it
cdef void hedge_won(Stream *stream, Attempt *attempt) noexcept nogil          # its answer is taken
cdef void hedge_end(Stream *stream) noexcept nogil                            # the request cannot be sent once more: no try without a connection
