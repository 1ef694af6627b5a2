# The objects of the data plane, in the order in which a request meets them: engine, listener, downstream connection, stream, cluster, pool,
# attempt, upstream connection. All of them belong to one worker and are touched by its thread only.
#
# Who owns whom: the engine owns listeners and clusters; a listener is kept by its connections, a cluster by its streams and pools; a
# downstream connection owns its current stream; a stream owns its attempt; a pool owns its connections. Streams that ended are kept until the
# end of the loop iteration (engine.ended), so that no callback ever returns into a freed one.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.arena cimport Arena
from meshcore.base.buffer cimport Buffer
from meshcore.base.held cimport Held
from meshcore.base.slab cimport Slab
from meshcore.base.span cimport Span
from meshcore.base.wheel cimport Timer
from meshcore.cluster.balancer cimport Balancer
from meshcore.cluster.host cimport Host
from meshcore.cluster.host_set cimport HostSet, PriorityLoad
from meshcore.codec.head cimport Head
from meshcore.codec.http1 cimport Http1Body, Http1Message
from meshcore.codec.http2 cimport Http2Stream
from meshcore.codec.http2_memory cimport Http2Memory
from meshcore.conf.shares cimport Shares
from meshcore.conf.tables cimport ChainConf, ClusterConf, HcmConf, ListenerConf
from meshcore.filter.grpc_call cimport GrpcCall
from meshcore.filter.http cimport Batch, HttpStream
from meshcore.io.logfile cimport LogFile
from meshcore.io.loop cimport Loop
from meshcore.io.listener cimport Server
from meshcore.io.transport cimport Transport
from meshcore.observe.record cimport IpAddress, Record
from meshcore.proxy.connection_state cimport ConnectionState
from meshcore.proxy.origin cimport Origin
from meshcore.route.criteria cimport Criteria
from meshcore.route.hash_policy cimport HashAnswer
from meshcore.route.table cimport ClusterChoice, RetryPolicy, RouteTable, VirtualCluster, VirtualHost

cdef struct Engine:
    Loop loop
    uint64_t *stats                # this worker's counters (observe/counters)
    uint32_t index                 # worker number
    bint draining                  # the whole server ends: responses carry Connection: close, idle connections go
    bint unhealthy                 # its health check is made to fail: responses carry it too
    bint drain_gradual             # a draining listener's responses carry it more and more often
    uint64_t drain_ms              # how long a listener drains
    ListenerLocal **listeners      # by ListenerConf.index; NULL: none
    uint32_t listeners_cap
    uint32_t *places               # hash of a listener's address -> 1 + its index (proxy/listener_places)
    uint32_t places_cap            # a power of two, or 0
    ListenerLocal *retired         # replaced or removed ones that still have connections
    ClusterLocal **clusters        # by ClusterConf.index; NULL: none
    uint32_t clusters_cap
    uint64_t hosts_epoch           # grows with every change of a cluster or of its hosts
    uint32_t *names                # hash of a cluster's name -> 1 + its index; for cluster_header
    uint32_t names_cap             # a power of two
    uint32_t names_len
    LogFile **logs                 # by LogConf.file
    uint32_t logs_cap
    Slab downstreams
    Slab http2_downstreams
    Slab http2_streams             # of both sides
    Http2Memory http2_memory
    Slab upstreams
    Slab http2_upstreams
    Slab streams
    Slab attempts
    Slab tcp_sessions
    Slab thrift_downstreams        # structs of proxy/thrift/objects; the next ones too
    Slab thrift_calls
    Slab thrift_upstreams
    Slab thrift_walks
    void *thrift_shadows           # mirrored calls under way; private to proxy/thrift/shadow
    Slab accepted
    Slab answerers
    Stream *ended                  # freed at the end of the iteration
    Stream *own                    # those without a client that are under way (own_stream)
    Arrival *arriving              # of the connection that a filter chain is being given; NULL: nobody has asked yet
    Batch batch
    char date[32]                  # RFC 9110 date of date_s
    uint64_t date_s
    uint64_t next_id               # connection ids
    uint64_t short_since           # connections refused for want of a descriptor since the log said so
    uint64_t short_ms              # when it said so
    void (*on_shortage)(Engine *engine, uint64_t refused) noexcept nogil       # bind/'s: says so; may be NULL
    # run/'s: a connection goes to another worker's listener. False: it cannot; NULL: there is no other worker.
    bint (*hand_over)(Engine *engine, uint32_t worker, uint32_t listener, Shares *shares, int fd) noexcept nogil
    void *worker                   # run/'s and bind/'s own

cdef struct RouteLocal:
    # One route table on this worker; freed when it was replaced and its last stream has ended.
    RouteTable *table
    uint32_t users
    bint retired

cdef struct ChainLocal:
    # One filter chain on this worker; lives as long as its listener.
    ListenerLocal *listener
    ChainConf *conf
    RouteLocal *routes             # what new streams use; NULL: no HTTP

cdef struct ListenerLocal:
    Engine *engine
    ListenerConf *conf             # a reference
    ChainLocal *chains             # conf.chains_len
    Server **servers               # one per address
    uint32_t servers_len
    uint32_t users                 # connections and streams
    bint retired                   # replaced or removed: no new connections, the old ones drain
    uint64_t drain_since_ms        # 0: it does not drain
    Timer drain_end                # of a retired one: what is still open closes
    Connection *connections
    Accepted *accepted             # that no filter chain has yet
    ListenerLocal *next            # in Engine.retired
    ListenerLocal **link           # NULL: not retired

cdef struct Arrival:
    # What is known of a connection before a filter chain has it.
    IpAddress remote               # as a listener filter said, else the peer
    IpAddress direct_remote        # the peer; family 0: it is `remote`
    IpAddress local                # family 0: not asked for
    IpAddress direct_local         # family 0: it is `local`
    bint redirected                # a listener filter said `local`
    bint tls                       # it begins with a ClientHello
    uint8_t other                  # NotHello; 0: nobody looked for one, or it was found
    bint hello_too_large
    Span server_name               # lower case; empty: none
    Span protocols                 # ALPN: a length before each name; empty: none
    char *texts                    # what the two point into; NULL: nothing that must be freed
    Held tlvs                      # of a PROXY header, those that may go on
    ConnectionState *state         # what listener filters say of it; NULL: nothing. It goes on to the connection
    IpAddress bind                 # hosts are dialled in its name (original_src); family 0: in ours
    uint32_t mark                  # ... with this mark

cdef struct Accepted:
    # A connection while listener filters look at its first bytes.
    ListenerLocal *listener        # a use of it
    Transport *transport
    Accepted *next                 # in the listener's list
    Accepted **link                # NULL: it has left
    uint32_t at                    # which filter looks
    bint handed                    # another listener accepted it
    uint64_t started_ns
    Held held                      # what has come
    Timer timer
    Arrival arrival

cdef struct ConnectionOps:
    # How a listener ends its connections, whatever they speak.
    void (*drain)(Connection *connection) noexcept nogil      # end when nothing is in flight
    void (*abort)(Connection *connection) noexcept nogil      # end at once

cdef struct Connection:
    # An accepted connection as its listener knows it; the first member of what its filter chain makes of it.
    const ConnectionOps *ops
    ChainLocal *chain              # a use of its listener
    Transport *transport
    Connection *next               # in the listener's list
    Connection **link
    uint64_t id
    uint64_t started_ns
    IpAddress remote
    IpAddress *local               # NULL: the listener's own address
    Arrival *arrival               # what listener filters learnt; NULL: nothing
    uint64_t received              # bytes of the client
    uint64_t flags                 # ResponseFlag bits of the connection itself
    Span close_reason              # why this side closed it, a constant; empty: it did not, or a TcpSession knows
    uint32_t counted               # bit n: the n-th network filter has counted it
    bint new_http                  # it speaks HTTP/2
    uint8_t not_hello              # Arrival.other
    bint refused                   # a network filter has, and nobody else looks at it any more
    ConnectionState *state         # what network filters left on it; NULL: nothing

cdef enum DownState:
    # HTTP/1 downstream, one value per thing that may come next from the client.
    DOWN_HEAD                      # a request head (or nothing, for long: idle)
    DOWN_BODY                      # the rest of the request
    DOWN_WAIT                      # the request is complete; its response is not: more bytes are pipelined requests
    DOWN_CLOSING                   # the last response was sent; waits for the client's FIN (delayed close)
    DOWN_CLOSED                    # the transport is closing
    DOWN_STATES

cdef enum PauseReason:
    # Why a side is not being read; it is read when no bit is set.
    PAUSE_UPSTREAM_FULL = 1        # the other side's write queue is above its mark
    PAUSE_WAITING_FULL = 2         # body waits for a pool or a filter and fills the buffer limit
    PAUSE_PIPELINE = 4             # enough pipelined bytes are held already
    PAUSE_FILTER_FULL = 8          # a filter holds enough of the body

cdef struct DownstreamOps:
    # What a stream asks of its client's connection, whatever version of HTTP that speaks. Bytes of spans must live until the event is over.
    void (*send_interim)(Downstream *down, Stream *stream, Head *head) noexcept nogil        # a 1xx head; NULL: 100 Continue
    void (*send_head)(Downstream *down, Stream *stream, bint end) noexcept nogil             # stream.response
    void (*send_span)(Downstream *down, Stream *stream, Span data, bint end) noexcept nogil
    void (*send_buffer)(Downstream *down, Stream *stream, Buffer *data, bint end) noexcept nogil
    void (*send_trailers)(Downstream *down, Stream *stream, Head *trailers) noexcept nogil   # NULL: none; ends the response
    void (*pause)(Downstream *down, Stream *stream, uint8_t reason) noexcept nogil           # no more of its request for now
    void (*resume)(Downstream *down, Stream *stream, uint8_t reason) noexcept nogil
    void (*no_more)(Downstream *down) noexcept nogil                                         # what it sends cannot be trusted: no further request
    void (*succeed)(Downstream *down, Stream *stream, Stream *next) noexcept nogil           # another stream goes on in this one's place
    void (*done)(Downstream *down, Stream *stream) noexcept nogil                            # it has ended
    void (*cut)(Downstream *down, Stream *stream) noexcept nogil                             # ... and its response is not complete

cdef struct Downstream:
    # A client's connection as its streams know it; the first member of what a version of HTTP makes of it.
    Connection conn                # must be first
    const DownstreamOps *ops
    Engine *engine
    uint32_t requests

cdef struct Http1Downstream:
    Downstream base                # must be first
    Stream *stream                 # the current request; NULL between requests
    Held held                      # bytes that wait: a part of a head, pipelined requests
    Http1Body body
    uint8_t state                  # DownState
    uint8_t pause                  # PauseReason bits
    uint8_t consuming                 # down_consume is on the stack
    uint8_t close_after               # no further request on this connection
    uint8_t saw_close                 # ... because the client said so, or a limit that it shares
    uint8_t end_seen                  # the client sent FIN
    uint8_t spoke                     # some bytes have come
    uint8_t local_close
    uint32_t skip                  # bytes of a partial head that the parser has seen
    Timer timer                    # idle, request headers or delayed close, by state
    uint64_t head_ns               # when the first byte of the head in progress came; 0 = none
    uint64_t idle_ns               # since when there is no request
    uint64_t unsent                # closing: bytes that waited when it was last looked at

cdef enum StreamBits:
    STREAM_REQUEST_END = 1 << 0            # the whole request was read
    STREAM_REQUEST_PASSED = 1 << 1         # ... and went through the filters
    STREAM_ROUTED = 1 << 2                 # the router has seen the request head
    STREAM_RESPONSE_HEAD = 1 << 3          # a response head (not 1xx) went downstream
    STREAM_RESPONSE_END = 1 << 4           # the whole response went downstream
    STREAM_LOCAL_REPLY = 1 << 5            # the response is ours
    STREAM_HEAD_REQUEST = 1 << 6
    STREAM_CONNECT = 1 << 7
    STREAM_UPGRADE = 1 << 8                # asked for an upgrade that is allowed
    STREAM_TUNNEL = 1 << 9                 # the upgrade or CONNECT was accepted: raw bytes both ways
    STREAM_CHUNKED = 1 << 10               # the response body is written in chunks
    STREAM_INTERNAL = 1 << 11              # an internal request by Envoy's rule
    STREAM_ENDED = 1 << 12                 # in engine.ended
    STREAM_IS_GRPC = 1 << 13
    STREAM_RESPONSE_PASSED = 1 << 14       # the response head went through the filters
    STREAM_UPSTREAM_DONE = 1 << 15         # the router has the whole response
    STREAM_REPLAY_LOST = 1 << 16           # the request is no longer held whole: it cannot be sent again
    STREAM_COUNTED = 1 << 17               # the cluster's request resource is taken
    STREAM_RETRY_HELD = 1 << 18            # the cluster's retry resource is taken
    STREAM_HTTP10 = 1 << 19
    STREAM_REPLAYED = 1 << 20              # went out again after a stale connection
    STREAM_REQUEST_TIMED = 1 << 21         # the route timeout runs
    STREAM_EXTERNAL_CLOSE = 1 << 22        # the response carried Connection: close from above
    STREAM_TRAILERS = 1 << 23              # request trailers were read
    STREAM_NO_FILTERS = 1 << 24            # no memory for the filters
    STREAM_OWN = 1 << 26                   # the engine's own (own_stream): it has no client
    STREAM_REDIRECTED = 1 << 27            # the connection manager has seen its head: it is the target of an internal redirect
    STREAM_RETRIED = 1 << 25               # another try followed a failed one
    STREAM_CANARY = 1 << 29                # a canary has answered
    STREAM_TCP = 1 << 28                 # a TCP session's tunnel: no HTTP client, `down` is its TcpSession

cdef struct Hop:
    # An internal redirect that led to a stream; the names are in its arena.
    Hop *next
    Span source                    # name of the route that redirected
    Span target

cdef struct Tried:
    # A host that had a try of the stream. Compared only: it may be gone.
    Tried *next
    Host *host
    uint32_t priority

cdef enum HoldBits:
    HOLD_HEAD = 1                  # the head stands at this filter
    HOLD_WHOLE = 2                 # the body is gathered and will be offered whole
    HOLD_END = 4                   # the last data is here
    HOLD_TRAILERS = 8              # ... and trailers wait behind it
    HOLD_SAW_TRAILERS = 16         # the filter has seen the trailers

cdef struct Hold:
    # What waits at one filter of a chain.
    Buffer waiting
    uint8_t bits                   # HoldBits

cdef struct Chain:
    # One direction of a stream in the filter chain.
    bint response                  # last filter first
    bint head_end                  # the head is the whole message
    bint direct                    # a reply that no filter sees
    uint32_t holding               # bit n: the n-th filter has stopped
    uint32_t full                  # bit n: the n-th filter wants no more for now
    Hold *holds                    # of each filter; NULL until one stops

cdef struct Stream:
    HttpStream http                # must be first: what filters see
    Engine *engine
    Downstream *down               # NULL: the client is gone
    Http2Stream *client            # HTTP/2: where its client's frames come and go; NULL: it speaks HTTP/1, or has gone
    uint8_t paused                 # HTTP/2: PauseReason bits
    ListenerLocal *listener        # a use of it (tables behind it stay)
    HcmConf *hcm
    RouteLocal *routes             # a use of it; NULL: a call of the engine's own
    VirtualHost *host
    ClusterLocal *cluster          # a use of it; NULL: none chosen
    ClusterChoice *choice
    VirtualCluster *vcluster       # NULL: none, or not routed yet
    bint alt_named                 # answers count below this name too:
    Span alt_stat                  # ... x-envoy-upstream-alt-stat-name
    Stream *next                   # in engine.ended
    uint32_t bits                  # StreamBits
    uint8_t filters_len
    bint filters_chosen            # filters_on is settled
    bint client_full               # the client takes no more for now
    uint32_t filters_on            # bit n: the n-th filter runs on this stream
    Chain request_chain
    Chain response_chain
    Arena arena
    Record record
    Head request
    Head response
    Head *trailers                 # response trailers; NULL: none yet
    Head *request_trailers
    Http1Message message           # framing of the request
    IpAddress remote               # trusted client address
    IpAddress upstream_local
    HashAnswer *hash               # what a hashing balancer was told; NULL: nothing, or not asked yet
    Attempt *attempt               # the try whose answer is taken, else the newest one; NULL: none under way
    Stream *copies                 # mirrored requests that still get this one's body
    Stream *next_copy              # in stream.copies
    Stream *copied                 # the stream that hands this one its body; NULL: not a copy, or the request is complete
    Stream **own_link              # in engine.own
    GrpcCall *grpc                 # the call that it is; NULL: it is none
    Hop *hops                      # internal redirects so far, newest first
    uint32_t hops_len
    Tried *tried                   # hosts of all tries, newest first; kept if something asks for it (reselect)
    uint32_t tried_len
    bint override_asked            # override_rest is known
    Span override_rest             # hosts that the request named and that had no try yet (override_host)
    Attempt *others                # further tries under way (hedging), newest first
    Host *used_host                # a reference: the host of the last try that is over
    Buffer waiting                 # request body for an attempt that has no connection yet
    Buffer replay                  # request body as sent, for another try
    const RetryPolicy *retry
    uint32_t retries_left
    uint32_t tries
    Span server_name               # what hosts are asked for, where a cluster wants that of the request; empty: not settled
    uint32_t timeout_ms            # route timeout in force; 0 = off
    uint32_t try_timeout_ms
    uint64_t idle_ms
    uint64_t active_ns             # last activity, for the idle timeout
    uint64_t random                # one number per stream for fractions, weights and sampling
    Timer timeout                  # the whole request
    Timer idle
    Timer duration                 # max stream duration
    Timer backoff
    Timer request_timer            # request_timeout: the client must have sent everything
    uint32_t retry_on              # RetryOn bits in force
    Span retry_codes               # x-envoy-retriable-status-codes
    Span retry_headers             # x-envoy-retriable-header-names
    uint64_t retry_wait_ms         # what the last response asked to wait before another try; 0 = nothing
    bint alt_response              # a timeout is answered with 204
    bint hedges                    # a try that takes too long goes on beside the next one
    uint8_t uploads_full           # tries whose write queue is above its mark

cdef struct TcpSession:
    # A connection of a TCP chain and the one to its host.
    Downstream base                # must be first; a tunnel's stream takes it for its client
    ClusterLocal *cluster          # a use of it: the one that is dialled; NULL: none chosen
    ClusterLocal *routed           # a use of it: the one that the route names, of which `cluster` may be a member
    Host *host                     # a reference; the one dialled last, NULL: none
    Transport *upstream            # NULL: none
    Stream *tunnel                 # asks its hosts for a tunnel and carries the bytes; NULL: none, `upstream` does
    Held early                     # the client's bytes before its host is there
    bint starting                  # a try is being started: it may fail at once
    bint start_failed              # ... and has
    uint32_t open                  # transports that are not gone yet
    uint32_t attempts              # hosts dialled
    bint connected                 # the upstream took the connection
    bint closed                    # tcp_finish has run; the transports are going
    bint local_close
    bint log_at_end
    bint down_ended                # a FIN came
    bint up_ended
    bint down_flushed              # ours is out
    bint up_flushed
    uint8_t down_close             # CloseType
    uint64_t received              # from the client
    uint64_t sent                  # to the client
    uint64_t flags
    Span failure                   # of the last connect
    char *up_failure               # what it points to, when TLS failed
    char *down_failure             # why the client's TLS failed; NULL: it did not
    Span termination               # who ended it, if a network filter did
    Span down_reason               # why this side closed
    Span up_reason
    int64_t wall_us                # when it was accepted
    uint64_t dialled_ns
    uint64_t active_ns
    uint64_t upstream_id
    IpAddress upstream_local
    const Criteria *criteria       # subset wanted; NULL: any
    Timer logging
    Timer connecting
    Timer backoff
    Timer idle
    Timer duration

cdef struct Answerer:
    # A connection of a CHAIN_ECHO or CHAIN_DIRECT.
    Connection conn                # must be first
    bint closed

cdef struct RequestQueue:
    Attempt *oldest
    Attempt *newest
    uint32_t len
    uint64_t busy_ms               # since when it has not been empty

cdef struct OriginalHost:
    Host *host                     # a reference; NULL: free
    bint used                      # since the last clean-up

cdef struct OriginalHosts:
    # Of a cluster of type ORIGINAL_DST, see original_dst.pxd.
    OriginalHost *entries          # by Host.slot
    uint32_t cap
    uint32_t len
    uint32_t next                  # where a free entry is looked for
    uint32_t *index                # hash of an address -> slot + 1
    uint32_t index_mask
    Timer cleanup

cdef struct AggregatePlace:
    # One priority of an aggregate cluster, and whose it is.
    ClusterLocal *cluster
    uint32_t priority

cdef struct Aggregate:
    # Of a cluster made of others, see aggregate.pxd.
    uint64_t epoch                 # hosts_epoch that it was made in; 0: not yet
    HostSet all                    # priorities of its members in one line; it owns no host
    AggregatePlace *places         # of each of them
    uint32_t cap
    PriorityLoad only              # of the member that was chosen: one of its priorities takes everything
    uint32_t only_cap

cdef struct ClusterLocal:
    RequestQueue queues[2]         # per priority; empty unless conf.queue is set
    Timer queue_timer
    Engine *engine
    ClusterConf *conf              # a reference
    HostSet *hosts                 # a reference; NULL: none known yet
    Balancer balancer
    OriginalHosts *original        # NULL: hosts come from `hosts`
    OwnPools *own                  # of connections that are made in a client's name; NULL: none yet
    Aggregate *aggregate           # NULL: it is not made of other clusters
    Pool **pools                   # per Host.slot: two priorities of HTTP/1, two of HTTP/2
    uint32_t pools_cap
    void **thrift_pools            # one per Host.slot; private to proxy/thrift/pool
    uint32_t thrift_pools_cap
    uint32_t users                 # streams and pools
    bint retired

cdef struct OwnPools:
    Pool **buckets                 # by Pool.origin_hash
    uint32_t mask
    uint32_t len

cdef struct Pool:
    ClusterLocal *cluster          # a use of it
    Host *host                     # a reference
    Origin *origin                 # in whose name; NULL: the proxy's own
    uint64_t origin_hash
    Pool *next_own                 # in OwnPools
    uint8_t priority
    bint http2                     # its connections speak HTTP/2
    bint counted                   # the breaker's resource of pools is taken
    bint retired                   # its host left: idle connections are closed, busy ones after their response
    Upstream *idle                 # last used first
    Upstream *open                 # with attempts, and room for more
    Upstream *busy                 # without room, or not to be used again
    Upstream *connecting
    uint32_t connecting_len
    uint32_t live                  # connections of any state
    Attempt *pending               # first come, first served
    Attempt **pending_last
    uint32_t pending_len
    uint32_t active                # attempts on its connections, and how many more those have room for, connecting ones included:
    int64_t spare                  # ... kept while its cluster preconnects (preconnect.pxd)

cdef struct Attempt:
    Stream *stream
    Pool *pool                     # NULL: refused before it had one
    Upstream *upstream             # NULL: waits in pool.pending
    Http2Stream *server            # HTTP/2: where its frames come and go; NULL: HTTP/1
    Host *host                     # a reference
    ClusterLocal *cluster          # a use of it: whose host it is; the stream's, or a member of that
    Attempt *next                  # in pool.pending
    Attempt **link
    Attempt *next_other            # in stream.others
    uint32_t number                # which try of its stream this is, from 1
    bint retried                   # too slow: another try was started, and this one goes on
    bint extra                     # started beside the first: holds a retry of the breaker
    bint full                      # its write queue is above its mark
    uint64_t connection_id
    IpAddress local
    bint waits                     # in its cluster's request queue
    Attempt *older                 # there
    Attempt *newer
    Timer wait                     # its deadline there
    bint reused                    # its connection had served before
    bint fresh                     # wants a new connection
    bint head_sent
    bint end_sent
    bint response_started          # a final response head came
    bint chunked                   # the request body is written in chunks
    bint pausing                   # downstream is slow: the upstream is not read
    bint holding                   # the head is out, the body waits until the upstream has agreed to a tunnel
    bint answered                  # the whole answer came, and the request goes on all the same
    bint raw                       # a terminated CONNECT: no HTTP on its connection
    bint interim                   # a 1xx of it went downstream: there is no other try
    uint64_t started_ns
    uint64_t sent_bytes            # of its body, and of its answer's
    uint64_t received_bytes
    uint32_t answer_head_bytes     # names and values, and how many; kept while its cluster tracks sizes
    uint32_t answer_head_len
    Timer timer                    # per-try timeout
    Timer idle                     # per-try idle timeout
    Timer duration                 # the cluster's max_stream_duration

cdef enum UpState:
    UP_CONNECTING
    UP_IDLE
    UP_HEAD                        # a request is out, its response head is awaited; HTTP/2: there are streams
    UP_BODY                        # the response body
    UP_CLOSED                      # the transport is closing
    UP_STATES

cdef struct UpstreamOps:
    # What attempts and pools ask of a connection, whatever version of HTTP it speaks. Bytes of spans must live until the event is over.
    bint (*opened)(Upstream *upstream) noexcept nogil                        # it is connected. False: no memory
    void (*begin)(Upstream *upstream, Attempt *attempt) noexcept nogil       # this attempt has a place on it
    void (*send_head)(Upstream *upstream, Attempt *attempt, bint end) noexcept nogil
    void (*send_span)(Upstream *upstream, Attempt *attempt, Span data, bint end) noexcept nogil
    void (*send_buffer)(Upstream *upstream, Attempt *attempt, Buffer *data, bint end) noexcept nogil
    void (*send_trailers)(Upstream *upstream, Attempt *attempt, Head *trailers) noexcept nogil
    void (*abandon)(Upstream *upstream, Attempt *attempt) noexcept nogil     # it gives up
    void (*pause)(Upstream *upstream, Attempt *attempt) noexcept nogil       # no more of its answer for now
    void (*resume)(Upstream *upstream, Attempt *attempt) noexcept nogil
    void (*free)(Upstream *upstream) noexcept nogil                          # its transport has closed

cdef struct Upstream:
    # A connection to a host as its pool and its attempts know it; the first member of what a version of HTTP makes of it.
    const UpstreamOps *ops
    Engine *engine
    Transport *transport
    Pool *pool                     # a use of it
    Upstream *next                 # in one of the pool's lists
    Upstream **link
    uint32_t streams               # attempts on it
    uint32_t room                  # how many it can have at once
    uint32_t counted_active        # what of Pool.active and Pool.spare is its part
    uint32_t counted_spare
    uint32_t requests
    uint8_t state                  # UpState
    uint8_t version                # Version
    uint8_t close_after               # no further attempt
    uint8_t local_close
    uint64_t id
    IpAddress local                # asked for once, when it was connected
    uint64_t started_ns
    uint64_t idle_ns               # since when it rests
    Timer timer                    # connect timeout, then idle timeout
    Timer age                      # max connection duration

cdef struct Http1Upstream:
    Upstream base                  # must be first
    Attempt *attempt               # NULL: idle or connecting
    Held held
    Http1Body body
    Http1Message message
    uint8_t end_seen                  # the upstream sent FIN
    uint32_t skip
