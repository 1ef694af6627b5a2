# The objects of the Thrift proxy, in the order in which a call meets them: downstream connection, call, pool, upstream connection.
#
# All of them belong to one worker and come from its slabs (proxy/engine). A downstream connection owns its calls; a call holds a use of its
# cluster, a reference to its host and, from the moment it has one until its reply is complete, an upstream connection for itself. Replies go
# back in the order in which they are complete, so calls of one connection overtake one another.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.arena cimport Arena
from meshcore.base.buffer cimport Buffer
from meshcore.base.held cimport Held
from meshcore.base.span cimport Span
from meshcore.base.wheel cimport Timer
from meshcore.cluster.host cimport Host
from meshcore.codec.head cimport Head
from meshcore.codec.thrift cimport ThriftEnvelope
from meshcore.codec.thrift_read cimport ThriftReader
from meshcore.codec.thrift_stream cimport ThriftStream
from meshcore.codec.thrift_twitter cimport ThriftTrace
from meshcore.codec.thrift_write cimport ThriftWriter
from meshcore.conf.tables cimport ListenerConf, ThriftConf
from meshcore.filter.grpc_call cimport GrpcCall
from meshcore.filter.thrift_metadata cimport ThriftFilter, ThriftProbe
from meshcore.io.transport cimport Transport
from meshcore.observe.record cimport IpAddress, Metadata
from meshcore.proxy.objects cimport ClusterLocal, Connection, Engine
from meshcore.route.criteria cimport Criteria
from meshcore.route.table cimport ClusterChoice
from meshcore.route.thrift_table cimport ThriftRoute

cdef struct ThriftWalk:
    # What reading values takes; only messages without a frame, and those that change their protocol, have one.
    ThriftReader reader
    ThriftWriter writer            # unused where nothing is converted

cdef struct ThriftMessage:
    # One message on its way through: what was read of it, and the payload as it goes on. Texts are in the call's arena.
    ThriftEnvelope envelope        # as it came
    uint8_t transport              # ThriftTransport and ThriftProtocol, as they came
    uint8_t protocol
    uint16_t flags                 # of the header transport
    Head headers
    ThriftTrace trace              # Twitter; as is `spans`
    Span spans
    Buffer body                    # the payload so far; what an event brought is borrowed until message_hold
    uint64_t size                  # bytes of it as they came
    ThriftWalk *walk               # NULL: nothing is converted

cdef struct ThriftDownstream:
    Connection conn                # must be first
    Engine *engine
    ThriftStream stream
    ThriftWalk *walk               # for stream.reader; NULL: its messages have frames
    Held held                      # bytes that wait: a part of a head, calls behind one that waits for its connection
    Buffer packed                  # a compressed frame so far
    ThriftCall *calls              # all that have not ended, newest first
    ThriftCall *reading            # the one whose message is being read; NULL: none
    ThriftCall *waits              # the one that has no connection yet; no later call begins before it has one
    uint32_t requests
    bint consuming                 # on the stack
    bint overflow                  # it has sent max_requests_per_connection
    bint full                      # the client does not read: no more calls begin
    bint half_closed               # its FIN came while a oneway call waits: that one still goes out
    bint from_held                 # what is being read lies in `held`
    bint draining                  # ends when no call is left
    bint closing                   # the last bytes are going out: what comes is not looked at
    bint end_seen                  # the client's FIN came
    Timer linger                   # closing: how long its FIN is awaited

cdef inline ThriftConf *conf_of(ThriftDownstream *down) noexcept nogil:
    # Asked for each time: a connection may go over to its listener's successor.
    return down.conn.chain.conf.thrift

cdef struct ThriftCall:
    ThriftDownstream *down         # NULL: a shadow
    Engine *engine
    ThriftCall *next               # in down.calls, or among the engine's shadows
    ThriftCall **link
    ThriftCall *next_waiting       # in pool.pending
    ThriftCall **waiting_link      # NULL: not there
    const ThriftRoute *route       # NULL: none, or not looked for yet
    Span cluster_name              # that the route named
    ClusterLocal *cluster          # a use of it; NULL: none chosen
    Host *host                     # a reference; NULL: none chosen
    ThriftPool *pool
    ThriftUpstream *upstream       # NULL: none yet, or given back
    Arena arena
    ThriftMessage request
    ThriftMessage reply
    uint8_t state                  # CallState
    uint8_t up_transport           # what its upstream speaks
    uint8_t up_protocol
    bint request_end               # the whole request was read
    bint counted                   # ... and counted
    bint upgrade                   # asks for the Twitter protocol; never leaves this proxy
    bint passes                    # its payload is what Envoy calls passed through
    uint8_t kind                   # ThriftReplyKind of the reply; REPLY_MORE until it can be told
    uint8_t first_len
    char first[16]                 # THRIFT_ATOM_MAX: what the reply's payload begins with, while that came in pieces
    uint64_t started_ns
    int64_t wall_us
    uint64_t sent_ns               # when the whole request had gone
    uint64_t request_size          # bytes that went upstream
    uint64_t reply_size            # ... and came from there
    uint64_t flags                 # ResponseFlag bits
    Metadata metadata              # dynamic
    ListenerConf *conf             # a reference, where something below or a mirror is in it; NULL: none needed
    Span called                    # its name as the client called it
    const Criteria *criteria       # the subset that was wanted; NULL: any host
    Buffer kept                    # its payload, while it may be sent again
    uint32_t tries                 # after the first
    ThriftProbe *probes            # filters that read its payload; it is routed when they have; NULL: none
    const ThriftFilter *filter     # the next one that it has to pass
    const ThriftFilter *filters_end
    bint gathers                   # it is routed when it was read whole and its filters have let it pass
    GrpcCall *limit                # a rate limit service is being asked; NULL: it is not
    bint waited                    # ... or was
    ClusterChoice *choice          # of the route; NULL: a header names the cluster

cdef struct ThriftPool:
    # Connections of one worker to one host.
    ClusterLocal *cluster          # a use of it
    Host *host                     # a reference
    bint counted                   # the breaker's resource of pools is taken
    bint retired                   # its host left: idle connections are closed, busy ones after their reply
    ThriftUpstream *idle           # last used first
    ThriftUpstream *busy           # with a call
    ThriftUpstream *connecting
    uint32_t connecting_len
    uint32_t live                  # connections of any state
    ThriftCall *pending            # first come, first served
    ThriftCall **pending_last
    uint32_t pending_len

cdef enum ThriftUpState:
    THRIFT_UP_CONNECTING
    THRIFT_UP_IDLE
    THRIFT_UP_UPGRADING            # the answer to the request for the Twitter protocol is awaited
    THRIFT_UP_BUSY                 # a call has it
    THRIFT_UP_CLOSED
    THRIFT_UP_STATES

cdef struct ThriftUpstream:
    Engine *engine
    Transport *transport
    ThriftPool *pool               # a use of it
    ThriftUpstream *next           # in one of the pool's lists
    ThriftUpstream **link
    ThriftCall *call               # NULL: idle or connecting
    ThriftStream stream            # of replies
    ThriftWalk *walk               # for stream.reader; NULL: replies have frames
    Held held                      # a part of a reply's head
    Buffer packed                  # a compressed reply so far
    uint8_t state                  # ThriftUpState
    bint asked                     # it was asked for the Twitter protocol
    bint upgraded                  # ... and agreed
    bint local_close
    bint close_after
    int32_t next_seqid
    uint32_t requests
    uint64_t id
    uint64_t started_ns
    uint64_t idle_ns
    IpAddress local
    Timer timer                    # connect timeout, then idle timeout
    Timer age                      # max connection duration
