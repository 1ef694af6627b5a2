# Blame: what outlier detection is told of a host. Worker thread; a host that nobody watches costs a NULL test.
#
# The rules are those of Envoy's router: each response head counts, resets and timeouts count as failures of local origin, an overflow of
# our own limits does not. Called where a try gets its connection, its answer or its end; must not judge (cluster/outlier) or retry.
from libc.stdint cimport uint16_t

from meshcore.cluster.outlier cimport outlier_connected, outlier_failed
from meshcore.codec.head cimport Head
from meshcore.proxy.objects cimport Attempt

cdef enum:
    STATUS_RESET = 503             # what a reset stands for

cdef void blame_watched(Attempt *attempt, Head *response) noexcept nogil

cdef inline void blame_response(Attempt *attempt, Head *response) noexcept nogil:
    if attempt.host.outlier != NULL:
        blame_watched(attempt, response)

cdef inline void blame_connected(Attempt *attempt) noexcept nogil:
    if attempt.host.outlier != NULL:
        outlier_connected(attempt.host.outlier)

cdef inline void blame_failed(Attempt *attempt, uint16_t status) noexcept nogil:
    if attempt.host.outlier != NULL:
        outlier_failed(attempt.host.outlier, status)

cdef inline void blame_slow(Attempt *attempt, uint16_t status) noexcept nogil:
    # A timeout: only while the answer is awaited, and only of a host that has the request.
    if attempt.head_sent and not attempt.response_started:
        blame_failed(attempt, status)
