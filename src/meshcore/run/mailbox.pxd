# Mailbox: how the main thread (and asyncio) talks to a worker. Any thread posts, the worker's thread empties.
#
# A lock-free stack that is turned round when it is emptied, so messages are handled in the order in which they were posted. One wake-up
# serves all that arrived meanwhile. A message posted with `wait` belongs to the poster, who waits on it; any other is freed by the worker.
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef extern from "<semaphore.h>" nogil:
    ctypedef struct sem_t:
        pass
    int sem_init(sem_t *sem, int shared, unsigned int value) noexcept
    int sem_wait(sem_t *sem) noexcept
    int sem_post(sem_t *sem) noexcept
    int sem_destroy(sem_t *sem) noexcept

cdef enum Order:
    ORDER_SET_LISTENER             # table, routes, fds
    ORDER_UPDATE_LISTENER          # table, routes
    ORDER_SET_ROUTES               # index, routes
    ORDER_DROP_LISTENER            # index
    ORDER_SET_CLUSTER              # table, hosts
    ORDER_SET_HOSTS                # index, hosts
    ORDER_DRAIN_HOST               # index, value: the host's slot
    ORDER_DROP_CLUSTER             # index
    ORDER_SET_LOG                  # index, fds[0]
    ORDER_FLUSH_LOGS
    ORDER_STOP_LISTENING
    ORDER_STOP_LISTENER            # index
    ORDER_SET_BACKLOG              # index, backlog
    ORDER_DRAIN_LISTENER           # index
    ORDER_SET_DRAIN                # index: gradual or not; value: milliseconds
    ORDER_SET_HEALTH               # index: healthy or not
    ORDER_DRAIN
    ORDER_ABORT
    ORDER_COUNT_LIVE               # value: what is alive
    ORDER_TAKE_CONNECTION          # index, table: Shares, fds[0]; from another worker
    ORDER_RESUME                   # table: a bind/ value that knows its stream
    ORDER_STOP                     # the loop ends

cdef enum:
    FDS_MAX = 8                    # addresses per listener

cdef struct Message:
    Message *next
    uint8_t order                  # Order
    bint wait
    uint32_t index
    void *table
    void *second                   # routes or hosts
    int fds[FDS_MAX]
    uint32_t fds_len
    int backlog
    int result
    uint64_t value
    sem_t done

cdef struct Mailbox:
    void *top                      # atomic: the newest message

cdef bint mailbox_put(Mailbox *box, Message *message) noexcept nogil          # True: it was empty, the worker must be woken
cdef Message *mailbox_take(Mailbox *box) noexcept nogil                       # all messages, oldest first
