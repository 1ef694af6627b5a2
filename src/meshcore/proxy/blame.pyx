"""Blame: what a response says of the host that gave it. See blame.pxd for the law."""
from libc.stdint cimport uint16_t, uint64_t

from meshcore.base.span cimport Span, span, parse_u64
from meshcore.cluster.outlier cimport outlier_failed_now, outlier_status
from meshcore.codec.head cimport *
from meshcore.proxy.objects cimport *
from meshcore.route.table cimport request_is_grpc

cdef enum:
    GRPC_STATUSES = 17
    STATUS_UNKNOWN = 500

# grpc-status 0 to 16 as an HTTP status (gRPC, doc/http-grpc-status-mapping.md, and googleapis' code.proto for what that leaves open).
cdef uint16_t[GRPC_STATUSES] AS_HTTP = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401]


cdef uint16_t status_of(Attempt *attempt, Head *response) noexcept nogil:
    # A gRPC answer without a body says in its head how the call ended.
    cdef Span text
    cdef uint64_t number
    if not head_has(response, H_GRPC_STATUS) or not request_is_grpc(&attempt.stream.request):
        return response.status
    text = head_value(response, H_GRPC_STATUS)
    if not parse_u64(text, &number):
        return response.status
    return AS_HTTP[number] if number < GRPC_STATUSES else STATUS_UNKNOWN


cdef void blame_watched(Attempt *attempt, Head *response) noexcept nogil:
    outlier_status(attempt.host.outlier, status_of(attempt, response))
    if head_find_name(response, span(b"x-envoy-immediate-health-check-fail", 35)) != NULL:
        outlier_failed_now(attempt.host.outlier)
