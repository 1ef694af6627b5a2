"""Python's handle on a worker: start it on a thread or inside an event loop, give it tables, ask what it has alive.

Every order goes through the worker's mailbox and is waited for without the GIL, so that a worker that needs the GIL for a Python filter can
finish first. An embedded worker has no thread: its orders are carried out on the spot. After `close` the object is dead.
"""
import logging
import os
from threading import get_ident

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from meshcore.base.atomics cimport atomic_ref
from meshcore.bind.cluster_hosts cimport HostSetRef
from meshcore.bind.cluster_table cimport ClusterTable
from meshcore.bind.pyfilter cimport pyfilter_attach, pyfilter_detach
from meshcore.bind.tables cimport ListenerTable
from meshcore.io.loop cimport loop_fd, loop_timeout_ms
from meshcore.proxy.objects cimport Engine
from meshcore.run.mailbox cimport *
from meshcore.run.worker cimport Worker as WorkerStruct
from meshcore.run.worker cimport worker_free, worker_meet, worker_new, worker_post, worker_run, worker_step


log = logging.getLogger("mesh.worker")


cdef void log_shortage(Engine *engine, uint64_t refused) noexcept nogil:
    with gil:
        log.warning("no file descriptor is left: %d connections were refused since this was said last; raise the limit (ulimit -n)", refused)


cdef class Worker:
    """One engine. `embedded`: it has no thread; call `step` when `fileno()` is readable or `timeout_ms()` has passed."""

    cdef WorkerStruct *worker
    cdef readonly bint embedded
    cdef object thread             # whose `run` this is; None: it does not run

    def __cinit__(self, uint32_t index, bint embedded=False):
        cdef int error = 0
        self.worker = worker_new(index, embedded, &error)
        if self.worker == NULL:
            raise OSError(-error, f"worker {index}: {os.strerror(-error)}")
        self.embedded = embedded
        self.worker.engine.on_shortage = log_shortage
        pyfilter_attach(self.worker)

    def __dealloc__(self):
        Worker.close(self)         # not a subclass's: its part of the object is gone by now

    def close(self):
        """Frees everything; the worker must have stopped, with nothing alive."""
        if self.worker != NULL:
            pyfilter_detach(self.worker)
            worker_free(self.worker)
            self.worker = NULL

    def meet(self, workers):
        """Before it runs: these are all workers of the proxy, by their number. None may be closed before all have aborted."""
        cdef WorkerStruct **peers = <WorkerStruct **>calloc(len(workers), sizeof(WorkerStruct *))
        cdef bint met = False
        if peers != NULL:
            for i, worker in enumerate(workers):
                peers[<int>i] = (<Worker>worker).worker
            met = worker_meet(self.worker, peers, len(workers))
            free(peers)
        if not met:
            raise MemoryError

    def run(self, bint io_uring=False):
        """Serves on the calling thread until `stop`, through io_uring where the kernel has it for us; the GIL is released."""
        self.thread = get_ident()
        with nogil:
            worker_run(self.worker, io_uring)
        self.thread = None

    def step(self):
        """Embedded: does what is ready now, without sleeping."""
        with nogil:
            worker_step(self.worker)

    def fileno(self):
        return loop_fd(&self.worker.engine.loop)

    def timeout_ms(self):
        """Milliseconds until `step` has timers to run; -1 = none."""
        return loop_timeout_ms(&self.worker.engine.loop)

    @property
    def uses_io_uring(self):
        """Whether the thread that runs waits for completion (io_uring) rather than readiness (epoll)."""
        return self.worker != NULL and self.worker.engine.loop.ring != NULL

    @property
    def slots(self):
        """Address of the worker's counters, for StatsRegistry.attach."""
        return <size_t>self.worker.slots

    cdef Message *order(self, uint8_t order, uint32_t index=0) except NULL:
        cdef Message *message
        if self.worker == NULL:
            raise RuntimeError("this worker is closed")
        if self.thread is not None and self.thread == get_ident():
            raise RuntimeError("a filter hook cannot give orders to the proxy that runs it: hand them to another thread")
        message = <Message *>calloc(1, sizeof(Message))
        if message == NULL:
            raise MemoryError
        message.order = order
        message.index = index
        message.wait = True
        sem_init(&message.done, 0, 0)
        return message

    cdef uint64_t carry_out(self, Message *message) except? 0xffffffffffffffff:
        # Posts, waits and frees; raises OSError when the worker says so.
        cdef uint64_t value
        cdef int result
        with nogil:
            worker_post(self.worker, message)
            if self.embedded:
                worker_step(self.worker)
            sem_wait(&message.done)
        sem_destroy(&message.done)
        result = message.result
        value = message.value
        free(message)
        if result < 0:
            raise OSError(-result, os.strerror(-result))
        return value

    def set_listener(self, ListenerTable table, fds, int backlog):
        """`fds`: bound sockets, at most FDS_MAX (8); they belong to the worker from here on. ValueError for more."""
        cdef Message *message
        if len(fds) > FDS_MAX:
            raise ValueError(f"a listener has at most {FDS_MAX} addresses, {len(fds)} were given")
        message = self.order(ORDER_SET_LISTENER)
        self.take_tables(message, table)
        for i, fd in enumerate(fds):
            message.fds[i] = fd
        message.fds_len = len(fds)
        message.backlog = backlog
        self.carry_out(message)

    cdef int take_tables(self, Message *message, ListenerTable table) except -1:
        # The worker gets references of its own.
        atomic_ref(&table.conf.refs)
        atomic_ref(&table.routes.refs)
        message.table = table.conf
        message.second = table.routes
        return 0

    def update_listener(self, ListenerTable table):
        cdef Message *message = self.order(ORDER_UPDATE_LISTENER)
        self.take_tables(message, table)
        self.carry_out(message)

    def set_routes(self, ListenerTable table):
        """Only the routes of the table; connections stay."""
        cdef Message *message = self.order(ORDER_SET_ROUTES, table.conf.index)
        atomic_ref(&table.routes.refs)
        message.second = table.routes
        self.carry_out(message)

    def drop_listener(self, uint32_t index):
        self.carry_out(self.order(ORDER_DROP_LISTENER, index))

    cdef Message *cluster_order(self, ClusterTable table, HostSetRef hosts) except NULL:
        cdef Message *message = self.order(ORDER_SET_CLUSTER)
        atomic_ref(&table.conf.refs)
        atomic_ref(&hosts.hosts.refs)
        message.table = table.conf
        message.second = hosts.hosts
        return message

    def set_cluster(self, ClusterTable table, HostSetRef hosts):
        self.carry_out(self.cluster_order(table, hosts))

    def set_clusters(self, pairs):
        """`set_cluster` for each of [(table, hosts)], waiting for the last alone: the worker takes orders in their order."""
        cdef Message *message
        cdef Py_ssize_t last = len(pairs) - 1
        for i, (table, hosts) in enumerate(pairs):
            message = self.cluster_order(table, hosts)
            if i == last:
                self.carry_out(message)
                return
            sem_destroy(&message.done)
            message.wait = False
            worker_post(self.worker, message)

    def set_hosts(self, uint32_t index, HostSetRef hosts):
        cdef Message *message = self.order(ORDER_SET_HOSTS, index)
        atomic_ref(&hosts.hosts.refs)
        message.second = hosts.hosts
        self.carry_out(message)

    def drain_host(self, uint32_t index, uint32_t slot):
        """The host in that slot of a cluster is served by new connections from now on; busy ones end after their response."""
        cdef Message *message = self.order(ORDER_DRAIN_HOST, index)
        message.value = slot
        self.carry_out(message)

    def drop_cluster(self, uint32_t index):
        self.carry_out(self.order(ORDER_DROP_CLUSTER, index))

    def set_log(self, uint32_t index, int fd):
        cdef Message *message = self.order(ORDER_SET_LOG, index)
        message.fds[0] = fd
        self.carry_out(message)

    def flush_logs(self):
        """Starts writing what is buffered; True while something is not on disk yet."""
        return self.carry_out(self.order(ORDER_FLUSH_LOGS)) != 0

    def stop_listening(self):
        self.carry_out(self.order(ORDER_STOP_LISTENING))

    def stop_listener(self, uint32_t index):
        """One of them accepts no more; its connections stay."""
        self.carry_out(self.order(ORDER_STOP_LISTENER, index))

    def set_backlog(self, uint32_t index, int backlog):
        cdef Message *message = self.order(ORDER_SET_BACKLOG, index)
        message.backlog = backlog
        self.carry_out(message)

    def set_drain(self, bint gradual, uint64_t ms):
        """How listeners drain: more and more responses end their connection over `ms` milliseconds, or all do at once."""
        cdef Message *message = self.order(ORDER_SET_DRAIN, gradual)
        message.value = ms
        self.carry_out(message)

    def set_health(self, bint healthy):
        """While it is False, every response ends its connection."""
        self.carry_out(self.order(ORDER_SET_HEALTH, healthy))

    def drain_listener(self, uint32_t index):
        """Its responses begin to end their connections; it goes on accepting."""
        self.carry_out(self.order(ORDER_DRAIN_LISTENER, index))

    def drain(self):
        """Idle connections close, busy ones after their response."""
        self.carry_out(self.order(ORDER_DRAIN))

    def abort(self):
        """Everything closes now."""
        self.carry_out(self.order(ORDER_ABORT))

    def live(self):
        """How many connections, streams, attempts and handles are alive."""
        return self.carry_out(self.order(ORDER_COUNT_LIVE))

    def stop(self):
        """Ends `run`."""
        if not self.embedded:
            self.carry_out(self.order(ORDER_STOP))
