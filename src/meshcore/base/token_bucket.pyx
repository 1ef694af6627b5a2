"""Token bucket; see token_bucket.pxd for the law."""
from libc.string cimport memcpy

from meshcore.base.atomics cimport atomic_load, atomic_replace, atomic_store


cdef inline double seconds(uint64_t ns) noexcept nogil:
    return <double>ns * 1e-9


cdef inline double as_double(int64_t word) noexcept nogil:
    cdef double value
    memcpy(&value, &word, 8)
    return value


cdef inline int64_t as_word(double value) noexcept nogil:
    cdef int64_t word
    memcpy(&word, &value, 8)
    return word


cdef inline double held(int64_t word, double max_tokens, double per_second, double now) noexcept nogil:
    cdef double tokens = (now - as_double(word)) * per_second
    if word == 0 or tokens > max_tokens:
        return max_tokens          # 0: nothing was ever taken, however short the machine has been up
    return tokens


cdef void bucket_init(TokenBucket *bucket, double max_tokens, double per_second, double tokens, uint64_t now_ns) noexcept nogil:
    bucket.max = max_tokens
    bucket.per_second = per_second
    atomic_store(&bucket.empty_at, as_word(seconds(now_ns) - tokens / per_second))


cdef uint64_t word_take(int64_t *empty_at, double max_tokens, double per_second, uint64_t n, bint partly, uint64_t now_ns) noexcept nogil:
    cdef double now = seconds(now_ns)
    cdef double tokens
    cdef uint64_t taken
    cdef int64_t seen
    while True:
        seen = atomic_load(empty_at)
        tokens = held(seen, max_tokens, per_second, now)
        taken = n
        if tokens < <double>n:
            if not partly or tokens < 1.0:
                return 0
            taken = <uint64_t>tokens
        if atomic_replace(empty_at, seen, as_word(now - (tokens - <double>taken) / per_second)):
            return taken


cdef double word_tokens(const int64_t *empty_at, double max_tokens, double per_second, uint64_t now_ns) noexcept nogil:
    cdef double tokens = held(atomic_load(empty_at), max_tokens, per_second, seconds(now_ns))
    return tokens if tokens > 0.0 else 0.0
