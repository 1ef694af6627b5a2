"""UUIDs. See uuid.pxd."""
from libc.stdint cimport uint64_t

from meshcore.base.random cimport random_u64

cdef const char *DIGITS = b"0123456789abcdef"


cdef void uuid_write(Random *random, char *out) noexcept nogil:
    cdef uint64_t high = (random_u64(random) & ~<uint64_t>0xf000) | 0x4000
    cdef uint64_t low = (random_u64(random) & ~(<uint64_t>3 << 62)) | (<uint64_t>1 << 63)
    cdef int i
    for i in range(16):
        out[i + (i >= 8) + (i >= 12)] = DIGITS[(high >> (60 - 4 * i)) & 15]
        out[19 + i + (i >= 4)] = DIGITS[(low >> (60 - 4 * i)) & 15]
    out[8] = out[13] = out[18] = out[23] = 45
