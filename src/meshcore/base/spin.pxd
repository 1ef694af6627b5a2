# Spin lock: one word that keeps several words consistent that workers write together, for the few steps that this takes.
#
# For state that many workers update rarely or briefly and that no single atomic can hold. The holder must not allocate, call out or wait.
# A zeroed word is open. Any thread.
from libc.stdint cimport int64_t, uint64_t

from meshcore.base.atomics cimport atomic_swap, publish_word

cdef inline void spin_lock(int64_t *word) noexcept nogil:
    while atomic_swap(word, 1) != 0:
        pass

cdef inline void spin_unlock(int64_t *word) noexcept nogil:
    publish_word(<uint64_t *>word, 0)
