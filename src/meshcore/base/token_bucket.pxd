# Token bucket: so many tokens, filled continuously at a constant rate, as Envoy's AtomicTokenBucketImpl. Any thread, no lock.
#
# The state is one atomic word: the moment at which the bucket would have been empty. Tokens are what the rate has filled since, at most `max`;
# taking k of them moves the moment by k / rate. So nothing has to run while nobody asks. Time is given by the caller, monotonic.
from libc.stdint cimport int64_t, uint64_t

cdef struct TokenBucket:
    int64_t empty_at               # atomic; a double: seconds
    double max
    double per_second              # > 0

# The same where many buckets share `max` and `per_second` and only their words are kept. A word of 0 is a full bucket.
cdef uint64_t word_take(int64_t *empty_at, double max_tokens, double per_second, uint64_t n, bint partly, uint64_t now_ns) noexcept nogil
cdef double word_tokens(const int64_t *empty_at, double max_tokens, double per_second, uint64_t now_ns) noexcept nogil

cdef void bucket_init(TokenBucket *bucket, double max_tokens, double per_second, double tokens, uint64_t now_ns) noexcept nogil

cdef inline uint64_t bucket_take(TokenBucket *bucket, uint64_t n, bint partly, uint64_t now_ns) noexcept nogil:
    # How many it gave: n, or fewer if `partly`, or 0.
    return word_take(&bucket.empty_at, bucket.max, bucket.per_second, n, partly, now_ns)
