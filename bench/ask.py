"""One plain HTTP/1.1 request on a blocking socket: to see that a peer is up, answers right, or was reconfigured.

Not a load generator and not a client of general use: of framings it knows Content-Length only, which is all that the
upstream of the comparison sends. Called by the harness outside of every measured window.
"""

import socket

HEAD_END = b"\r\n\r\n"
PROBE_TIMEOUT_S = 5.0


def exchange(connection: socket.socket, path: str, host: str = "bench.example") -> tuple[int, bytes]:
    """Sends a GET on an open connection and returns status and body; the connection stays open."""
    status, head, body = _answer_head(connection, path, host)
    while len(body) < _content_length(head):
        body += _more(connection)
    return status, body


def get(port: int, path: str, host: str = "bench.example") -> tuple[int, bytes]:
    """Status and body of one GET on a connection of its own."""
    with socket.create_connection(("127.0.0.1", port), timeout=PROBE_TIMEOUT_S) as connection:
        return exchange(connection, path, host)


def answers(port: int, path: str, host: str = "bench.example") -> bool:
    """Whether a GET is answered with 200; a refused or cut connection is a no."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PROBE_TIMEOUT_S) as connection:
            return _answer_head(connection, path, host)[0] == 200
    except (OSError, ValueError):
        return False


def _answer_head(connection: socket.socket, path: str, host: str) -> tuple[int, bytes, bytes]:
    """Status, head, and as much of the body as came with it."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    received = b""
    while HEAD_END not in received:
        received += _more(connection)
    head, _, body = received.partition(HEAD_END)
    return int(head.split(b" ", 2)[1]), head, body


def _more(connection: socket.socket) -> bytes:
    chunk = connection.recv(1 << 20)
    if not chunk:
        raise ConnectionResetError("the connection was closed before the answer was complete")
    return chunk


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError("the answer has no Content-Length")
