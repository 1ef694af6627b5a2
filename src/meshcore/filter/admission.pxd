# Admission history: how many requests of the last while succeeded, and whether another one is let in. No stream, no I/O.
#
# One history per configured filter, shared by all workers behind a spin lock: it is counted in slices of a second, which fall out when they
# are older than the window. The chance to be refused is that of the client-side throttling of Google's SRE book, chapter 21, with Envoy's
# threshold and aggression.
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef struct AdmissionSlice:
    uint64_t since_ns
    uint64_t requests
    uint64_t successes

cdef struct AdmissionHistory:
    int64_t lock
    uint64_t window_ns
    AdmissionSlice *slices         # a ring of `cap`, the oldest at `first`
    uint32_t cap
    uint32_t first
    uint32_t len
    uint64_t requests              # of all slices
    uint64_t successes

cdef struct AdmissionLaw:
    double threshold               # share of successes below which requests are refused, 0 to 1
    double aggression              # at least 1
    double most                    # chance to be refused, at most this
    uint64_t least_rps             # below this many requests a second nobody is refused

cdef uint32_t admission_slices(uint64_t window_ns) noexcept nogil              # how many a window needs
cdef void admission_record(AdmissionHistory *history, bint success, uint64_t now_ns) noexcept nogil
cdef bint admission_refuses(AdmissionHistory *history, const AdmissionLaw *law, uint64_t random, uint64_t now_ns) noexcept nogil
