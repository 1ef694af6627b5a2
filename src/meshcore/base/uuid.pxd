# UUIDs of version 4 (RFC 9562), as text. A worker's own random numbers: unlikely to repeat, not secret. Any thread that owns the Random.
from meshcore.base.random cimport Random

cdef enum:
    UUID_LEN = 36

cdef void uuid_write(Random *random, char *out) noexcept nogil        # UUID_LEN bytes, no NUL
