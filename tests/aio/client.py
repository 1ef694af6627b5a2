"""An asyncio HTTP/1.1 client of one request per connection: it shares the loop with the proxy under test.

Bodies by content-length only. The connection is closed by this side, so that nobody waits for the proxy's delayed close."""

from __future__ import annotations

import asyncio


async def get(port: int, path: str = "/") -> tuple[int, str]:
    """(status, body)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nhost: test.example\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        (length,) = (line for line in head.split("\r\n") if line.startswith("content-length:"))
        body = await reader.readexactly(int(length.partition(":")[2]))
    finally:
        writer.close()
        await writer.wait_closed()
    return int(head.split()[1]), body.decode()
