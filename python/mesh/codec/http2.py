"""HTTP/2 as the proxy speaks it: the engine's own codec, without sockets.

A `Connection` is one side of a connection. `feed` takes bytes in any pieces and gives events; `request`, `respond`, `send`, `trailers`,
`reset`, `goaway` and `ping` say something, and `output` gives the bytes that carry it, as far as the peer's windows allow.

    >>> from mesh.codec import http2
    >>> client, server = http2.Connection("client"), http2.Connection("server")
    >>> stream = client.request(b"GET", b"/", b"a", [(b"x-a", b"b")], end=True)
    >>> [event.path for event in server.feed(client.output()) if isinstance(event, http2.RequestHead)]
    [b'/']
    >>> server.respond(stream, 200)
    >>> server.send(stream, b"hello", end=True)
    >>> [event for event in client.feed(server.output()) if isinstance(event, (http2.Data, http2.End))]
    [Data(stream=1, data=b'hello'), End(stream=1)]

Framing, HPACK, flow control and the rules of RFC 9113 are nghttp2's; limits, floods and the judgement of fields are the proxy's, which are
Envoy's. Options (keyword only, named and defaulted as in Envoy's Http2ProtocolOptions): `max_streams` that may be open at a time (1024),
`stream_window` and `connection_window` (bytes, 16 MiB and 24 MiB), `hpack_table` (bytes, 4096), `max_head_bytes` (61440) and `max_headers`
(100) of a head, `underscores` in names of requests ("allow", "reject", "drop"), `allow_connect` (extended CONNECT, RFC 8441), and
`stream_errors`: a malformed message ends its stream alone.

What is received opens the peer's windows again at once, except on a stream that is paused. Wrong arguments raise ValueError, wrong bytes
ProtocolError; nothing blocks. A connection belongs to one thread at a time.
"""

from meshcore.bind.http2 import Connection
from meshcore.bind.http2_events import (
    Data,
    End,
    Event,
    Goaway,
    Pong,
    ProtocolError,
    RequestHead,
    Reset,
    ResponseHead,
    Settings,
    Trailers,
)

__all__ = [
    "Connection",
    "Data",
    "End",
    "Event",
    "Goaway",
    "Pong",
    "ProtocolError",
    "RequestHead",
    "Reset",
    "ResponseHead",
    "Settings",
    "Trailers",
]
