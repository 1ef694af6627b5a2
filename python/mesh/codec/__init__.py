"""HTTP/1 as the proxy speaks it: the engine's own codec, without sockets. Beside it are `mesh.codec.http2` and `mesh.codec.thrift`.

A parser takes bytes in any pieces and gives events; the writers turn heads into bytes. What is refused here is what the proxy
refuses, with the same status and the same details, so a test or a tool can ask the codec what the proxy would do.

    >>> from mesh import codec
    >>> parser = codec.RequestParser()
    >>> [event.method for event in parser.feed(b"GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n") if isinstance(event, codec.RequestHead)]
    [b'GET']

Options of both parsers (keyword only): `max_head_bytes` (bytes, default 61440: Envoy's max_request_headers_kb), `max_headers`
(field lines, default 100), `underscores` ("allow", "reject", "drop"), `allow_chunked_length`, `allow_custom_methods`,
`allow_absolute_url`, `enable_trailers` (named and defaulted as in Envoy's Http1ProtocolOptions). Parsers and writers raise
ValueError for a wrong argument and ProtocolError for wrong bytes; none of them blocks. A parser belongs to one thread at a time.
"""

from meshcore.bind.codec import RequestParser, ResponseParser, write_chunk, write_last_chunk, write_request, write_response
from meshcore.bind.codec_events import Data, End, Event, ProtocolError, RequestHead, ResponseHead, Trailers

__all__ = [
    "Data",
    "End",
    "Event",
    "ProtocolError",
    "RequestHead",
    "RequestParser",
    "ResponseHead",
    "ResponseParser",
    "Trailers",
    "write_chunk",
    "write_last_chunk",
    "write_request",
    "write_response",
]
