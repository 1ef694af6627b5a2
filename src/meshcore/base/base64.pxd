# Base64 (RFC 4648, section 4): decoding. Pure functions over bytes, any thread.

# The padding at the end may be missing. Bytes written to `out`, which has room for n / 4 * 3 + 3; 0: nothing in it, or it is no base64.
cdef size_t base64_decode(const char *at, size_t n, char *out) noexcept nogil
