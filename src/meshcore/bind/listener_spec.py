"""Listeners of the plan: addresses, filter chains and what chooses among them, TCP proxies. Part of spec.py, which says how all of it is
to be read, and under whose name these are used."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from meshcore.bind.record import record

if TYPE_CHECKING:
    from meshcore.bind.filter_spec import FilterStateValue, RuntimeFlag, TokenBucket
    from meshcore.bind.lb_spec import HashRule
    from meshcore.bind.match_spec import FilterStateMatch, HeaderMatch, MetadataMatch, StringMatch
    from meshcore.bind.socket_spec import SocketOption
    from meshcore.bind.spec import AccessLog, Address, Hcm, HeaderMutation, MatchTree
    from meshcore.bind.thrift_spec import ThriftProxy
    from meshcore.bind.tls_spec import TlsContext


@record
class TcpTunnel:
    """TcpProxy.TunnelingConfig. `hostname` is a format; `headers` are those of the request."""

    hostname: str
    headers: HeaderMutation
    use_post: bool = False
    post_path: str = "/"
    id_header: str = ""  # of the request, for its id; "": it has none
    id_key: str = ""  # where the id stands in dynamic metadata
    keeps_headers: bool = False  # of the answer, in filter state
    keeps_trailers: bool = False


@record
class TcpProxy:
    """envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy. `clusters`: (name, weight), at least one."""

    stat_prefix: str
    clusters: tuple[tuple[str, int], ...]
    max_connect_attempts: int = 1
    backoff_base_ms: int = 0  # before another try; 0: at once
    backoff_max_ms: int = 0
    waits_for_bytes: bool = False  # a host is dialled when the client has said something
    waits_for_tls: bool = False  # ... when the client's TLS handshake is over
    drain_close: bool = False  # while the listener drains, sessions end with the next bytes
    log_started: bool = False  # a line more at once
    proxy_tlvs: tuple[tuple[int, bytes], ...] = ()  # (type, value) for PROXY headers of hosts, when the client sent no such header
    max_early_data_bytes: int = 0  # so much is read of the client before its host is there
    tunnel: TcpTunnel | None = None  # None: hosts get the bytes as they are
    idle_timeout_ms: int = 3_600_000
    max_duration_ms: int = 0
    duration_jitter: float = 0.0  # a share of it, by which it may be longer
    access_logs: tuple[AccessLog, ...] = ()
    log_connected: bool = False  # a line more when the upstream is connected
    log_every_ms: int = 0  # a line more so often
    wanted: tuple[str, ...] = ()  # for each cluster the subset of hosts that is wanted, as a JSON object; "": any
    hash_policy: tuple[HashRule, ...] = ()


@record
class ChainMatch:
    """FilterChainMatch: () or "" or 0 asks nothing. Prefixes are (network address, bits); `server_names` are in lower case, one that begins
    with a dot stands for all names that end with it. `source_type`: any | local | external."""

    destination_port: int = 0
    prefixes: tuple[tuple[str, int], ...] = ()
    server_names: tuple[str, ...] = ()
    transport_protocol: str = ""
    application_protocols: tuple[str, ...] = ()
    direct_source_prefixes: tuple[tuple[str, int], ...] = ()
    source_type: str = "any"
    source_prefixes: tuple[tuple[str, int], ...] = ()
    source_ports: tuple[int, ...] = ()

    def paths(self) -> Iterator[tuple[Any, ...]]:
        """Every combination of single values, one per level in the order in which levels are asked; None at a level: anything."""
        return itertools.product(
            (self.destination_port or None,),
            self.prefixes or (None,),
            self.server_names or (None,),
            (self.transport_protocol or None,),
            self.application_protocols or (None,),
            self.direct_source_prefixes or (None,),
            (None if self.source_type == "any" else self.source_type,),
            self.source_prefixes or (None,),
            self.source_ports or (None,),
        )


@record
class PortRule:
    """ListenerFilterChainMatchPredicate. `test`: any | range (`ports`, the end excluded) | not (the only one of `parts`) | all_of, one_of
    (`parts`)."""

    test: str
    ports: tuple[int, int] = (0, 0)
    parts: tuple[PortRule, ...] = ()


@record
class ListenerFilter:
    """`kind`: tls_inspector | http_inspector | proxy_protocol | original_dst | original_src | local_ratelimit (`token_bucket`).

    proxy_protocol: with `optional` a connection without a header is taken too, one of `disallowed_versions` counts as none, and TLVs of
    the types `passes` are kept for hosts; `tlv_rules`, (type, namespace, key), put values into dynamic metadata, or with `tlvs_to_state`
    under `key` into filter state. original_src: `keeps_port` and `mark` (SO_MARK) say how hosts are dialled."""

    kind: str
    stat_prefix: str = ""
    optional: bool = False
    disallowed_versions: tuple[int, ...] = ()
    passes: tuple[int, ...] = ()
    tlv_rules: tuple[tuple[int, str, str], ...] = ()
    tlvs_to_state: bool = False
    hello_max: int = 16384  # of tls_inspector: bytes of a ClientHello with its records
    closes_others: bool = False  # of tls_inspector: what is no ClientHello
    keeps_port: bool = False
    mark: int = 0
    token_bucket: TokenBucket | None = None
    enabled: RuntimeFlag | None = None  # of local_ratelimit
    disabled: PortRule | None = None  # connections that pass it by


@record
class AccessRule:
    """Permission or Principal of envoy.config.rbac.v3. `test`: any | all_of, one_of (`parts`) | not (the only one of `parts`) |
    destination_ip, source_ip, remote_ip, direct_remote_ip (`block`) | destination_port (`ports`, first and last) | server_name,
    authenticated (`text`; None: any certificate) | filter_state (`state`); and of requests: header | path (`text`) | metadata,
    route_metadata (`metadata`)."""

    test: str
    parts: tuple[AccessRule, ...] = ()
    block: tuple[str, int] = ("", 0)
    ports: tuple[int, int] = (0, 0)
    text: StringMatch | None = None
    state: FilterStateMatch | None = None
    header: HeaderMatch | None = None
    metadata: MetadataMatch | None = None


@record
class AccessRules:
    """`action`: allow | deny | log. `policies`: (name, permission, principal) in the order of their names. `tree` decides in their place:
    its actions are positions in `verdicts`, (name, action)."""

    action: str
    policies: tuple[tuple[str, AccessRule, AccessRule], ...] = ()
    tree: MatchTree | None = None
    verdicts: tuple[tuple[str, str], ...] = ()


@record
class NetworkFilter:
    """`kind`: connection_limit (`max_connections`) | local_ratelimit (`token_bucket`) | sni_cluster | rbac (`rules`, `shadow_rules`) |
    set_filter_state (`values`)."""

    kind: str
    stat_prefix: str = ""
    max_connections: int = 0
    delay_ms: int = 0  # of connection_limit: how long a refused connection is kept
    token_bucket: TokenBucket | None = None
    share_key: str = ""  # of local_ratelimit: filters with the same key and bucket share it
    enabled: RuntimeFlag | None = None  # of these two
    rules: AccessRules | None = None
    shadow_rules: AccessRules | None = None
    shadow_prefix: str = ""
    continuous: bool = False  # rules are asked at every read, not at the first alone
    delay_deny_ms: int = 0  # how long a refused connection is kept
    values: tuple[FilterStateValue, ...] = ()


@record
class FilterChain:
    """What is done with a connection: `hcm` speaks HTTP, `tcp` carries its bytes to a cluster, `thrift` its calls, `echo` sends them
    back, `text` is said and then the connection ends. Exactly one of them is set. `filters` see the connection before.

    `fallback`: default_filter_chain, for connections that match no other."""

    hcm: Hcm | None = None
    tcp: TcpProxy | None = None
    thrift: ThriftProxy | None = None
    name: str = ""
    match: ChainMatch = ChainMatch()
    fallback: bool = False
    tls: TlsContext | None = None  # None: plain bytes
    handshake_timeout_ms: int = 0  # transport_socket_connect_timeout
    echo: bool = False
    text: bytes | None = None
    filters: tuple[NetworkFilter, ...] = ()
    metadata: dict[str, Any] | None = None  # {namespace: {key: value}}


@record
class Listener:
    """One listener with at least one filter chain, the default one last. `port` 0 in `address` binds a free port."""

    name: str
    address: Address
    chains: tuple[FilterChain, ...]
    stat_prefix: str = ""  # "" = the address, as Envoy
    buffer_limit: int = 1024 * 1024
    backlog: int = 0  # 0: the system's SOMAXCONN
    reuse_port: bool = True
    additional_addresses: tuple[Address, ...] = ()
    drain_modify_only: bool = False  # drain_type: a failing health check does not drain it
    metadata: dict[str, Any] | None = None  # {namespace: {key: value}}
    matcher: MatchTree | None = None  # chooses the chain in place of their conditions: its actions are positions in `chains`

    bind_to_port: bool = True  # False: it only gets what another listener hands over
    use_original_dst: bool = False  # redirected connections are handed to the listener of the address they were meant for
    ignore_global_limit: bool = False
    exact_balance: bool = False  # workers have equally many connections
    accepts_at_once: int = 0  # connections accepted with one event; 0: as many as are good
    access_logs: tuple[AccessLog, ...] = ()  # of connections, those that no chain takes included
    freebind: bool = False
    transparent: bool = False
    pipe_mode: int = 0  # of a Unix socket's file; 0: as the umask says
    socket_options: tuple[SocketOption, ...] = ()

    filters: tuple[ListenerFilter, ...] = ()
    filters_timeout_ms: int = 15_000
    filters_continue: bool = False  # after that time the connection goes on

    @property
    def managers(self) -> tuple[Hcm, ...]:
        """The HTTP connection managers of its chains."""
        return tuple(chain.hcm for chain in self.chains if chain.hcm is not None)

    @property
    def hcm(self) -> Hcm:
        """The first HTTP connection manager of its chains."""
        return self.managers[0]
