"""Worker: what an order does to the engine, and the life of a worker. See worker.pxd for the law."""
from libc.stdint cimport uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from meshcore.cluster.host_set cimport HostSet
from meshcore.conf.shares cimport Shares
from meshcore.conf.tables cimport ClusterConf, ListenerConf, RouteSet
from meshcore.io.loop cimport Loop, loop_run, loop_run_once, loop_stop, loop_wake
from meshcore.observe.counters cimport STAT_SLOTS, slots_free, slots_new
from meshcore.proxy.balance cimport balance_take
from meshcore.proxy.engine cimport *
from meshcore.run.mailbox cimport *

cdef extern from "<errno.h>" nogil:
    int ENOMEM


cdef void carry_out(Worker *worker, Message *message) noexcept nogil:
    cdef Engine *engine = &worker.engine
    cdef uint8_t order = message.order
    if order == ORDER_RESUME:
        worker.on_resume(message)
    elif order == ORDER_SET_HOSTS:
        engine_set_hosts(engine, message.index, <HostSet *>message.second)
    elif order == ORDER_DRAIN_HOST:
        engine_drain_host(engine, message.index, <uint32_t>message.value)
    elif order == ORDER_SET_ROUTES:
        engine_set_routes(engine, message.index, <RouteSet *>message.second)
    elif order == ORDER_SET_CLUSTER:
        engine_set_cluster(engine, <ClusterConf *>message.table, <HostSet *>message.second)
    elif order == ORDER_DROP_CLUSTER:
        engine_drop_cluster(engine, message.index)
    elif order == ORDER_SET_LISTENER:
        message.result = engine_set_listener(engine, <ListenerConf *>message.table, <RouteSet *>message.second, message.fds,
                                             message.fds_len, message.backlog)
    elif order == ORDER_UPDATE_LISTENER:
        engine_update_listener(engine, <ListenerConf *>message.table, <RouteSet *>message.second)
    elif order == ORDER_DROP_LISTENER:
        engine_drop_listener(engine, message.index)
    elif order == ORDER_SET_LOG:
        engine_set_log(engine, message.index, message.fds[0])
    elif order == ORDER_FLUSH_LOGS:
        engine_flush_logs(engine)
        message.value = engine_logs_busy(engine)
    elif order == ORDER_STOP_LISTENING:
        engine_stop_listening(engine)
    elif order == ORDER_STOP_LISTENER:
        engine_stop_listener(engine, message.index)
    elif order == ORDER_SET_BACKLOG:
        engine_set_backlog(engine, message.index, message.backlog)
    elif order == ORDER_DRAIN_LISTENER:
        engine_drain_listener(engine, message.index)
    elif order == ORDER_SET_DRAIN:
        engine.drain_gradual = message.index != 0
        engine.drain_ms = message.value
    elif order == ORDER_SET_HEALTH:
        engine.unhealthy = message.index == 0
    elif order == ORDER_DRAIN:
        engine_drain(engine)
    elif order == ORDER_ABORT:
        engine_abort(engine)
    elif order == ORDER_COUNT_LIVE:
        message.value = engine_live(engine)
    elif order == ORDER_TAKE_CONNECTION:
        balance_take(engine, message.index, <Shares *>message.table, message.fds[0])
    elif order == ORDER_STOP:
        loop_stop(&engine.loop)


cdef void empty_mailbox(Worker *worker) noexcept nogil:
    cdef Message *message = mailbox_take(&worker.box)
    cdef Message *next
    while message != NULL:
        next = message.next
        carry_out(worker, message)
        if message.wait:
            sem_post(&message.done)
        else:
            free(message)
        message = next


cdef void on_wake(Loop *loop) noexcept nogil:
    empty_mailbox(<Worker *>loop.owner)


cdef void on_tick(Loop *loop) noexcept nogil:
    engine_tick(<Engine *>loop.owner)


cdef bint hand_over(Engine *engine, uint32_t to, uint32_t listener, Shares *shares, int fd) noexcept nogil:
    cdef Worker *worker = <Worker *>engine.worker
    cdef Message *message = <Message *>calloc(1, sizeof(Message)) if to < worker.peers_len else NULL
    if message == NULL:
        return False
    message.order = ORDER_TAKE_CONNECTION
    message.index = listener
    message.table = shares
    message.fds[0] = fd
    worker_post(worker.peers[to], message)
    return True


cdef bint worker_meet(Worker *worker, Worker **peers, uint32_t n) noexcept nogil:
    worker.peers = <Worker **>calloc(n, sizeof(Worker *))
    if worker.peers == NULL:
        return False
    memcpy(worker.peers, peers, n * sizeof(Worker *))
    worker.peers_len = n
    worker.engine.hand_over = hand_over
    return True


cdef Worker *worker_new(uint32_t index, bint embedded, int *error) noexcept nogil:
    cdef Worker *worker = <Worker *>calloc(1, sizeof(Worker))
    cdef uint64_t *slots = slots_new(STAT_SLOTS)
    if worker == NULL or slots == NULL:
        free(worker)
        error[0] = -ENOMEM
        return NULL
    error[0] = engine_init(&worker.engine, index, slots, on_wake, on_tick)
    if error[0] < 0:
        slots_free(slots, STAT_SLOTS)
        free(worker)
        return NULL
    worker.engine.worker = worker
    worker.slots = slots
    worker.embedded = embedded
    return worker


cdef void worker_run(Worker *worker, bint ring) noexcept nogil:
    loop_run(&worker.engine.loop, ring)


cdef void worker_step(Worker *worker) noexcept nogil:
    loop_run_once(&worker.engine.loop)


cdef void worker_post(Worker *worker, Message *message) noexcept nogil:
    if mailbox_put(&worker.box, message):
        loop_wake(&worker.engine.loop)


cdef void worker_free(Worker *worker) noexcept nogil:
    empty_mailbox(worker)
    free(worker.peers)
    engine_fini(&worker.engine)
    slots_free(worker.slots, STAT_SLOTS)
    free(worker)
