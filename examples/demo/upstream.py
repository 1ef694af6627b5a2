"""One of the demo's two servers: answers every request with its name, in the body and in the header `x-upstream`.

Run as `upstream.py NAME`; a process of its own, so that killing it is a real death. Prints the port it got and serves
until it is killed or its standard input ends, which happens when the demo is gone. GET only: a request ends with its
head.
"""

import asyncio
import sys

HEAD_END = b"\r\n\r\n"


class Greeter(asyncio.Protocol):
    """One connection."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, chunk: bytes) -> None:
        *heads, self.received = (self.received + chunk).split(HEAD_END)
        self.transport.write(self.answer * len(heads))


async def serve(name: str) -> None:
    body = f"hello from {name}\n".encode()
    head = f"HTTP/1.1 200 OK\r\nx-upstream: {name}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Greeter(head + body), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
