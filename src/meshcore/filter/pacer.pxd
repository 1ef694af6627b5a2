# Pacer: lets the body of one direction of one stream pass no faster than a token bucket of bytes allows (Envoy's StreamRateLimiter).
#
# It lives in the stream's arena, owned by one filter, which hands it what its data and trailer hooks get and calls pacer_fini from on_destroy.
# What waits above the stream's limit holds the sender back. The bucket is the stream's own, or shared by all workers. Worker thread.
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from meshcore.base.buffer cimport Buffer
from meshcore.base.token_bucket cimport TokenBucket
from meshcore.base.wheel cimport Timer
from meshcore.filter.http cimport HttpStream

cdef enum:
    PACER_INTERVAL_MS = 50         # how often a stream that waits for tokens looks again

cdef struct Pacer:
    HttpStream *stream
    TokenBucket *bucket
    Timer timer
    Buffer waiting
    uint32_t interval_ms
    uint8_t n                      # which filter
    bint response
    bint end                       # the last byte is in `waiting`
    bint trailers                  # trailers wait behind it
    bint full                      # the sender is held back
    void (*on_passed)(Pacer *pacer, uint64_t bytes, bint last) noexcept nogil     # NULL: nobody counts

cdef void pacer_init(Pacer *pacer, HttpStream *stream, uint8_t n, bint response, TokenBucket *bucket, uint32_t interval_ms) noexcept nogil
cdef int pacer_data(Pacer *pacer, Buffer *data, bint end) noexcept nogil       # the filter's answer
cdef int pacer_trailers(Pacer *pacer) noexcept nogil                           # the filter's answer
cdef void pacer_fini(Pacer *pacer) noexcept nogil
