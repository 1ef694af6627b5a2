"""Connection balancing. See balance.pxd for the law."""
from libc.stdint cimport uint32_t
from posix.unistd cimport close

from meshcore.base.atomics cimport atomic_add, atomic_load
from meshcore.conf.shares cimport Shares, pthread_mutex_lock, pthread_mutex_unlock
from meshcore.io.transport cimport Transport, transport_adopt, transport_flush_all
from meshcore.proxy.connection cimport connection_take
from meshcore.proxy.objects cimport Engine, ListenerLocal


cdef uint32_t choose(Shares *shares) noexcept nogil:
    # The first of those with the fewest; it is counted.
    cdef uint32_t found = 0
    cdef uint32_t i
    pthread_mutex_lock(&shares.lock)
    for i in range(1, shares.len):
        if atomic_load(&shares.of[i].n) < atomic_load(&shares.of[found].n):
            found = i
    atomic_add(&shares.of[found].n, 1)
    pthread_mutex_unlock(&shares.lock)
    return found


cdef bint balance_give(Server *server, int fd) noexcept nogil:
    cdef ListenerLocal *listener = <ListenerLocal *>server.owner
    cdef Engine *engine = listener.engine
    cdef Shares *shares = listener.conf.shares
    cdef uint32_t worker
    if server.last or engine.hand_over == NULL:
        atomic_add(&shares.of[engine.index].n, 1)
        return False
    worker = choose(shares)
    if worker == engine.index:
        return False
    if engine.hand_over(engine, worker, listener.conf.index, shares, fd):
        return True
    atomic_add(&shares.of[worker].n, -1)
    atomic_add(&shares.of[engine.index].n, 1)
    return False


cdef void balance_take(Engine *engine, uint32_t listener, Shares *shares, int fd) noexcept nogil:
    cdef ListenerLocal *found = engine.listeners[listener] if listener < engine.listeners_cap else NULL
    cdef Transport *transport = NULL
    if found == NULL:
        close(fd)
    else:
        transport = transport_adopt(&engine.loop, fd)
    if transport == NULL or found.conf.shares != shares:
        atomic_add(&shares.of[engine.index].n, -1)
    if transport != NULL:
        connection_take(found, transport)
        transport_flush_all(&engine.loop)
