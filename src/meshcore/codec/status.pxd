# What an HTTP status means to gRPC.
from libc.stdint cimport uint8_t, uint16_t

cdef inline uint8_t grpc_status_of(uint16_t status) noexcept nogil:
    # The published HTTP to gRPC status mapping (gRPC, doc/http-grpc-status-mapping.md).
    if status == 400:
        return 13                  # INTERNAL
    if status == 401:
        return 16                  # UNAUTHENTICATED
    if status == 403:
        return 7                   # PERMISSION_DENIED
    if status == 404:
        return 12                  # UNIMPLEMENTED
    if status == 429 or status == 502 or status == 503 or status == 504:
        return 14                  # UNAVAILABLE
    return 2                       # UNKNOWN
