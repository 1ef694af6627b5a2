"""What a peer is to the harness: a name, a version, and how it is configured and started for a scenario's shape."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path


class Feature(Enum):
    """What a scenario may need of a peer; a peer without it is left out of that scenario."""

    HTTP = "http"  # it speaks HTTP at all, so its idle connections and its start are comparable
    ROUTES = "routes"  # virtual hosts and routes from the shape
    ACCESS_LOG = "access_log"  # Envoy's default text format to a file
    POLICIES = "policies"  # Envoy's balancers, retries, breakers and outlier detection
    DISCOVERY = "discovery"  # clusters by the thousand, and hosts from a watched file
    THRIFT = "thrift"  # calls of Apache Thrift
    TCP = "tcp"  # bytes to one host, unread
    HTTP2 = "http2"  # HTTP/2 without TLS on both sides
    TLS = "tls"  # TLS with clients, certificates by name
    RELOAD = "reload"  # SIGHUP re-reads the configuration


@dataclass(frozen=True)
class Ports:
    """Loopback ports: of the proxy, of its upstream, and of its admin pages (if it has any)."""

    listen: int
    upstream: int
    admin: int


@dataclass(frozen=True)
class Shape:
    """What the configuration has to contain; a `revision` is answered by the proxy itself at `/revision`.

    The serving cluster balances by `policy` over `endpoints` addresses of the one upstream. `resilience`: bare | retries | all (retries
    with a budget, hedging, breakers of both priorities, outlier detection; none of them has anything to do). `clusters` idle ones of
    `cluster_hosts` each stand beside the one that serves, whose host comes from a file when it is `watched`.
    `thrift`: calls instead of HTTP, as both come by `default`, or with payloads that may `pass`. `http2`: the upstream speaks it. With
    `certificates`, so many of bench.certificates, clients speak TLS.
    `form`: yaml | json | pb."""

    hosts: int = 1
    routes: int = 1
    access_log: bool = False
    thrift: str = ""
    tcp: bool = False
    http2: bool = False
    certificates: int = 0
    revision: str = ""
    policy: str = "ROUND_ROBIN"
    endpoints: int = 1
    resilience: str = "retries"
    clusters: int = 0
    cluster_hosts: int = 10
    watched: bool = False
    form: str = "yaml"


@dataclass(frozen=True)
class Peer:
    """`configure(folder, ports, shape)` writes what the proxy needs into `folder` and returns the command line."""

    name: str
    version: Callable[[], str]
    configure: Callable[[Path, Ports, Shape], list[str]]
    features: frozenset[Feature]
    has_admin: bool = False
    only: frozenset[str] = frozenset()  # names of the scenarios it is for; empty is all that its features allow
    env: Mapping[str, str] = field(default_factory=dict)
