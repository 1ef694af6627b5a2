# Record: the facts of one stream that a log line, a header formatter or a statistic may need; the Envoy word is StreamInfo.
#
# The stream owns its Record and fills it as things happen; observe/ only reads it. Spans live in the stream's arena or in tables
# that the stream pins. Times are monotonic nanoseconds (0 = has not happened). One thread.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.observe.metadata cimport FilterState, Metadata
from meshcore.observe.tls_facts cimport TlsFacts

cdef enum ResponseFlag:
    # One bit each, in Envoy's order of printing; names in flag_short / flag_long.
    FLAG_LH = 1 << 0               # FailedLocalHealthCheck
    FLAG_UH = 1 << 1               # NoHealthyUpstream
    FLAG_UT = 1 << 2               # UpstreamRequestTimeout
    FLAG_LR = 1 << 3               # LocalReset
    FLAG_UR = 1 << 4               # UpstreamRemoteReset
    FLAG_UF = 1 << 5               # UpstreamConnectionFailure
    FLAG_UC = 1 << 6               # UpstreamConnectionTermination
    FLAG_UO = 1 << 7               # UpstreamOverflow
    FLAG_NR = 1 << 8               # NoRouteFound
    FLAG_DI = 1 << 9               # DelayInjected
    FLAG_FI = 1 << 10              # FaultInjected
    FLAG_RL = 1 << 11              # RateLimited
    FLAG_UAEX = 1 << 12            # UnauthorizedExternalService
    FLAG_RLSE = 1 << 13            # RateLimitServiceError
    FLAG_DC = 1 << 14              # DownstreamConnectionTermination
    FLAG_URX = 1 << 15             # UpstreamRetryLimitExceeded
    FLAG_SI = 1 << 16              # StreamIdleTimeout
    FLAG_IH = 1 << 17              # InvalidEnvoyRequestHeaders
    FLAG_DPE = 1 << 18             # DownstreamProtocolError
    FLAG_UMSDR = 1 << 19           # UpstreamMaxStreamDurationReached
    FLAG_RFCF = 1 << 20            # ResponseFromCacheFilter
    FLAG_NFCF = 1 << 21            # NoFilterConfigFound
    FLAG_DT = 1 << 22              # DurationTimeout
    FLAG_UPE = 1 << 23             # UpstreamProtocolError
    FLAG_NC = 1 << 24              # NoClusterFound
    FLAG_OM = 1 << 25              # OverloadManagerTerminated
    FLAG_DF = 1 << 26              # DnsResolutionFailed
    FLAG_DO = 1 << 27              # DropOverLoad
    FLAG_DR = 1 << 28              # DownstreamRemoteReset
    FLAG_UDO = 1 << 29             # UnconditionalDropOverload
    FLAGS_IN_TURN = 1 << 30        # none itself: URX and UO were raised after the others, not before them

cdef struct IpAddress:
    # An IPv4 or IPv6 address with its port, or nothing (family 0), or a Unix socket (path lives with its owner).
    uint8_t family                 # 0 | 4 | 6 | 1 (Unix)
    uint8_t bytes[16]
    uint16_t port
    const char *path

cdef enum:
    ADDRESS_TEXT = 112             # room that address_write needs; no Unix path is longer
    FLAGS_TEXT = 1024              # room that flags_write needs

cdef enum LogType:
    # Why a line is written: %ACCESS_LOG_TYPE%. Formats used for headers and local replies have none.
    LOG_NOT_SET
    LOG_TCP_UPSTREAM_CONNECTED
    LOG_TCP_PERIODIC
    LOG_TCP_CONNECTION_END
    LOG_DOWNSTREAM_START
    LOG_DOWNSTREAM_PERIODIC
    LOG_DOWNSTREAM_END
    LOG_UPSTREAM_POOL_READY
    LOG_UPSTREAM_PERIODIC
    LOG_UPSTREAM_END
    LOG_DOWNSTREAM_TUNNEL_ESTABLISHED
    LOG_UDP_TUNNEL_UPSTREAM_CONNECTED
    LOG_UDP_PERIODIC
    LOG_UDP_SESSION_END
    LOG_TCP_CONNECTION_START

cdef enum:
    NO_PROTOCOL = 255              # of a connection that carries no HTTP

cdef enum CloseType:
    CLOSE_NORMAL
    CLOSE_LOCAL_RESET
    CLOSE_REMOTE_RESET

cdef struct Attempt:
    # One try upstream, in order: what %UPSTREAM_HOSTS_ATTEMPTED% and its like print.
    const IpAddress *address
    Span hostname
    uint64_t connection_id         # 0: never connected

cdef struct Record:
    Head *request                  # NULL: no request head was read
    Head *response                 # NULL: none was sent
    Head *trailers                 # response trailers, or NULL
    uint64_t start_ns
    int64_t start_wall_us          # wall clock at start_ns, microseconds since the epoch
    uint64_t request_end_ns        # last byte of the request was read
    uint64_t upstream_first_tx_ns
    uint64_t upstream_last_tx_ns
    uint64_t upstream_first_rx_ns
    uint64_t upstream_last_rx_ns
    uint64_t response_first_tx_ns
    uint64_t response_end_ns
    uint64_t end_ns                # when the stream ended; what a log line counts up to
    uint64_t upstream_connected_ns  # when the pool had a connection ready
    uint64_t upstream_connect_start_ns      # of the connection that was used, long ago when it was reused
    uint64_t upstream_connect_end_ns
    uint64_t bytes_received        # body bytes from downstream
    uint64_t bytes_sent            # body bytes to downstream
    uint64_t downstream_wire_rx
    uint64_t downstream_wire_tx
    uint64_t downstream_header_rx
    uint64_t downstream_header_tx
    uint64_t upstream_wire_rx
    uint64_t upstream_wire_tx
    uint64_t upstream_header_rx
    uint64_t upstream_header_tx
    uint64_t flags                 # ResponseFlag bits
    Span details                   # response-code details
    Span termination               # connection-termination details
    Span upstream_failure          # transport failure reason
    Span downstream_failure
    Span upstream_close_reason     # why this side closed the connection
    Span downstream_close_reason
    Span route_name
    Span virtual_host
    Span cluster                   # name of the cluster chosen
    Span cluster_stat_name         # alt_stat_name or the name
    Span upstream_hostname
    Span unfit_header              # one whose computed value no header can hold, so it was not written; at NULL: none
    Span stream_id                 # x-request-id as it was sent upstream
    Span local_body                # body of a local reply; set only while that reply is being formatted
    Span virtual_cluster
    Span filter_chain              # name of the filter chain that took the connection
    Span server_name               # that the client asked for (SNI), lower case; empty: none
    Span transport_protocol        # of the connection, as filter chains ask for it
    Span application_protocols     # what the client offers (ALPN): 'h2','http/1.1'; empty: nothing
    IpAddress *downstream_remote   # after x-forwarded-for
    IpAddress *downstream_direct_remote
    IpAddress *downstream_local
    IpAddress *downstream_direct_local      # the address the client connected to, before any listener filter changed it
    IpAddress *upstream_remote     # NULL: no host was chosen
    IpAddress *upstream_local      # NULL: not connected
    uint64_t connection_id
    uint64_t upstream_connection_id
    const Attempt *attempted       # every host that was tried
    uint32_t attempted_len
    uint32_t attempts              # tries upstream; 0 = none
    uint32_t route_resolutions     # how often a route was looked for
    uint16_t status                # sent downstream; 0 = none
    uint8_t protocol               # Version, or NO_PROTOCOL
    uint8_t upstream_protocol      # Version, or NO_PROTOCOL for raw bytes; valid when upstream_remote is set
    uint8_t log_type               # LogType
    uint8_t downstream_close       # CloseType, as detected when the line is written
    uint8_t upstream_close
    bint health_check
    TlsFacts *downstream_tls       # of the client's connection, which outlives the stream; NULL: plain bytes
    TlsFacts *upstream_tls         # a reference of the stream; NULL: plain bytes, or not connected
    bint peer_presented            # the client showed a certificate
    bint peer_validated            # ... and it was verified
    Metadata metadata              # dynamic metadata
    const Metadata *route_metadata  # of the route, from the configuration; NULL: no route
    const Metadata *host_metadata  # of the virtual host
    const Metadata *cluster_metadata        # of the cluster; NULL: none chosen
    const Metadata *upstream_metadata       # of the upstream host; NULL: none chosen, or it has none
    const Metadata *listener_metadata
    const Metadata *chain_metadata  # of the filter chain
    FilterState filter_state

cdef size_t address_write(const IpAddress *address, char *out, bint with_port) noexcept nogil    # [v6]:port, v4:port, path; bytes written
cdef Span flag_short(uint64_t bit) noexcept nogil           # "UH"
cdef Span flag_long(uint64_t bit) noexcept nogil            # "NoHealthyUpstream"
cdef size_t flags_write(uint64_t flags, bint names_long, char *out) noexcept nogil                # "UH,UF"; bytes written
