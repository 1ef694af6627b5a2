# Worker: an engine with its mailbox, on a thread of its own or inside somebody else's loop.
from libc.stdint cimport uint32_t, uint64_t

from meshcore.proxy.objects cimport Engine
from meshcore.run.mailbox cimport Mailbox, Message

ctypedef void (*ResumeHook)(Message *message) noexcept nogil

cdef struct Worker:
    Engine engine                  # first: an Engine pointer is a Worker pointer
    Mailbox box
    ResumeHook on_resume           # ORDER_RESUME, set by bind/; NULL: no Python filter
    bint embedded                  # no thread of its own
    Worker **peers                 # all workers of the same proxy, by their number; NULL: there is one
    uint32_t peers_len
    uint64_t *slots

cdef Worker *worker_new(uint32_t index, bint embedded, int *error) noexcept nogil       # NULL with a negative errno
cdef bint worker_meet(Worker *worker, Worker **peers, uint32_t n) noexcept nogil    # before it runs; none may end before all have aborted
cdef void worker_run(Worker *worker, bint ring) noexcept nogil    # on the worker's thread, until ORDER_STOP
cdef void worker_step(Worker *worker) noexcept nogil              # embedded: does what is ready
cdef void worker_post(Worker *worker, Message *message) noexcept nogil    # any thread
cdef void worker_free(Worker *worker) noexcept nogil              # after it has stopped and nothing is alive
