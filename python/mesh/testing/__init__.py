"""What tests of a proxy need: an upstream that does what a script says, a client that sees every byte, a wire that can be
cut, and a proxy on free ports whose end is checked.

    def answer(wire):
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\\r\\ncontent-length: 100\\r\\n\\r\\nhalf")
        wire.reset()

    with Upstream(answer) as up, running(bootstrap(up.port)) as proxy, proxy.client() as client:
        client.send(b"GET / HTTP/1.1\\r\\nhost: a\\r\\n\\r\\n")
        assert not client.read_response().complete

Everything lies on loopback, every wait has a limit, and nothing sleeps where something can be waited for. Sockets and
threads are Python's own: no part of the engine is used to test the engine. Nothing outside tests imports this package.
"""

from mesh.testing.bootstrap import bootstrap, cluster, listener
from mesh.testing.cutter import Cutter
from mesh.testing.running import Leak, Running, open_descriptors, running, until
from mesh.testing.serving import Serving
from mesh.testing.upstream import Refuser, Stalled, Upstream, ok
from mesh.testing.wire import LIMIT_S, Ended, Message, Wire, connect

__all__ = [
    "LIMIT_S",
    "Cutter",
    "Ended",
    "Leak",
    "Message",
    "Refuser",
    "Running",
    "Serving",
    "Stalled",
    "Upstream",
    "Wire",
    "bootstrap",
    "cluster",
    "connect",
    "listener",
    "ok",
    "open_descriptors",
    "running",
    "until",
]
