# Engine: one worker's data plane; how configuration enters it and what it has alive.
#
# Called by run/ on the worker's thread. Each setter takes over the references it is given; what was there before is retired: it serves what
# already uses it and goes when the last user has gone.
from libc.stdint cimport uint32_t, uint64_t

from meshcore.base.span cimport Span
from meshcore.cluster.host cimport Host
from meshcore.cluster.host_set cimport HostSet
from meshcore.conf.tables cimport ClusterConf, ListenerConf, RouteSet
from meshcore.io.loop cimport LoopHook
from meshcore.proxy.objects cimport ClusterLocal, Engine, ListenerLocal, RouteLocal

cdef int engine_init(Engine *engine, uint32_t index, uint64_t *stats, LoopHook on_wake, LoopHook on_tick) noexcept nogil   # 0 or a negative errno
cdef void engine_fini(Engine *engine) noexcept nogil                          # after engine_live() said 0
cdef void engine_tick(Engine *engine) noexcept nogil                          # end of an iteration: batch, then the streams that ended

# fds: one bound socket per address, ownership passes. Returns 0 or a negative errno (then the listener is not installed).
cdef int engine_set_listener(Engine *engine, ListenerConf *conf, RouteSet *routes, const int *fds, uint32_t n,
                             int backlog) noexcept nogil
# The same sockets; connections of chains that stay live on, the others drain.
cdef void engine_update_listener(Engine *engine, ListenerConf *conf, RouteSet *routes) noexcept nogil
cdef void engine_set_routes(Engine *engine, uint32_t listener, RouteSet *routes) noexcept nogil         # same connections, next requests
cdef void engine_drop_listener(Engine *engine, uint32_t index) noexcept nogil
cdef void engine_set_cluster(Engine *engine, ClusterConf *conf, HostSet *hosts) noexcept nogil
cdef void engine_set_hosts(Engine *engine, uint32_t cluster, HostSet *hosts) noexcept nogil
cdef void engine_drain_host(Engine *engine, uint32_t index, uint32_t slot) noexcept nogil              # its connections end: idle ones now
cdef void engine_drop_cluster(Engine *engine, uint32_t index) noexcept nogil
cdef void engine_set_log(Engine *engine, uint32_t index, int fd) noexcept nogil                           # also: reopen
cdef void engine_flush_logs(Engine *engine) noexcept nogil
cdef void engine_stop_listening(Engine *engine) noexcept nogil
cdef void engine_stop_listener(Engine *engine, uint32_t index) noexcept nogil   # one of them; its connections stay
cdef void engine_set_backlog(Engine *engine, uint32_t index, int backlog) noexcept nogil
cdef void engine_drain_listener(Engine *engine, uint32_t index) noexcept nogil  # its responses begin to say Connection: close
cdef void engine_drain(Engine *engine) noexcept nogil                         # idle connections close, busy ones after their response
cdef void engine_abort(Engine *engine) noexcept nogil                         # everything closes now
cdef uint64_t engine_live(Engine *engine) noexcept nogil                      # connections, streams, attempts and handles
cdef bint engine_logs_busy(Engine *engine) noexcept nogil

cdef ClusterLocal *engine_find_cluster(Engine *engine, Span name) noexcept nogil
cdef const char *engine_date(Engine *engine) noexcept nogil                   # "Sun, 06 Nov 1994 08:49:37 GMT", 29 bytes

cdef void routes_unuse(RouteLocal *routes) noexcept nogil
cdef void listener_unuse(ListenerLocal *listener) noexcept nogil
cdef void cluster_unuse(ClusterLocal *cluster) noexcept nogil
cdef void cluster_retire_host(ClusterLocal *cluster, uint32_t slot, Host *host) noexcept nogil       # its pools; host NULL: whichever has the slot
