"""HAProxy: one thread, connections to the server always reused and pooled without a limit, no log.

Two peers: as it comes, and for large responses also with `option splice-response`, which moves bodies through kernel
pipes instead of user space and has to be asked for.
"""

from functools import partial
from pathlib import Path

from bench import certificates
from bench.machine import open_files
from bench.peers.peer import Feature, Peer, Ports, Shape
from bench.running import first_line, program

FILES_PER_CONNECTION = 3  # HAProxy refuses to start when sockets and pipes of `maxconn` could exceed the limit

HTTP = """    mode http
    http-reuse always
    option forwardfor"""

CONFIG = """
global
    nbthread 1
    maxconn {maxconn}
    tune.maxaccept 512
defaults
{mode}
{options}
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout http-keep-alive 1h
    timeout http-request 60s
frontend entry
    bind 127.0.0.1:{listen} backlog 4096{proto}{secure}
{rules}
backend origin
    server one 127.0.0.1:{upstream} pool-max-conn -1 pool-purge-delay 1h{proto}
"""


def _rules(folder: Path, shape: Shape) -> str:
    if shape.hosts == 1 and shape.routes == 1:
        return "    default_backend origin"
    table = folder / "routes.map"
    pairs = [f"h{host}.example/r{route} origin" for host in range(shape.hosts) for route in range(shape.routes)]
    table.write_text("\n".join(pairs) + "\n")
    return f"    use_backend %[base,map_str({table})]"


def configure(options: str, folder: Path, ports: Ports, shape: Shape) -> list[str]:
    config = folder / "haproxy.cfg"
    given = {"listen": ports.listen, "upstream": ports.upstream, "options": options, "rules": _rules(folder, shape)}
    given["proto"] = " proto h2" if shape.http2 else ""
    given["secure"] = f" ssl crt {_certificates(shape.certificates)}" if shape.certificates else ""
    given["mode"] = "    mode tcp" if shape.tcp else HTTP
    config.write_text(CONFIG.format(**given, maxconn=min(9000, open_files() // FILES_PER_CONNECTION)))
    return [program("haproxy"), "-db", "-f", str(config)]


def _certificates(n: int) -> Path:
    """One file, or a folder of which the first is the default."""
    both = certificates.made(n) / "both"
    return both / "n0.example.pem" if n == 1 else both


def version() -> str:
    return first_line([program("haproxy"), "-v"]).split()[2]


FEATURES = frozenset({Feature.HTTP, Feature.ROUTES, Feature.TCP, Feature.HTTP2, Feature.TLS})
PEER = Peer("haproxy", version, partial(configure, ""), FEATURES)
SPLICING = Peer(
    "haproxy-splice",
    version,
    partial(configure, "    option splice-response\n    option splice-request"),
    FEATURES,
    only=frozenset({"resp64k", "resp1m", "tcp_bulk"}),
)
