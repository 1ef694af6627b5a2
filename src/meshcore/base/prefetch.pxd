# Prefetch: asks for a line of the cache that will be read soon. A hint: any address will do, and nothing waits.
cdef extern from *:
    void prefetch "__builtin_prefetch" (const void *at) noexcept nogil
