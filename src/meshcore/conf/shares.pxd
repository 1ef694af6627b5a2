# Shares: how many connections of a listener each worker has, where all shall have equally many. Kept for the life of the process; the lock is
# held for one choice at a time.
from libc.stdint cimport uint32_t

from meshcore.conf.dial cimport Tally

cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_mutex_t:
        pass
    int pthread_mutex_init(pthread_mutex_t *lock, const void *how) noexcept
    int pthread_mutex_lock(pthread_mutex_t *lock) noexcept
    int pthread_mutex_unlock(pthread_mutex_t *lock) noexcept

cdef struct Shares:
    pthread_mutex_t lock
    uint32_t len                   # workers
    Tally *of                      # of each worker; above it stands the listener's own tally
