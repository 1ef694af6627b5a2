"""HTTP filters written in Python.

    class AddTeam(mesh.Filter):
        def on_request(self, request):
            if request.get("x-api-key") is None:
                return mesh.Reply(401, "no key\\n")
            request.set("x-team", "blue")

A filter is one object per configuration, shared by all requests and worker threads. Synchronous hooks run on the worker, all that one loop
iteration has gathered under one acquisition of the GIL; they must not block. `async def` hooks run on an asyncio loop while the stream is
parked. Hooks that a class does not override cost nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import TYPE_CHECKING, Any

from meshcore.bind.record import record

if TYPE_CHECKING:
    from meshcore.bind.pyview import Exchange, Request, Response

__all__ = ["Filter", "Reply"]


@record
class Reply:
    """An answer of the filter's own, instead of the upstream's.

    `status`: 200 to 599. `body`: str (sent as UTF-8) or bytes. `content_type`: None means text/plain. `headers`: (name, value) pairs."""

    status: int
    body: str | bytes = b""
    content_type: str | None = None
    headers: Iterable[tuple[str, str]] = ()

    def __post_init__(self) -> None:
        if not 200 <= self.status <= 599:
            raise ValueError(f"status must be 200 to 599, not {self.status}")
        if isinstance(self.body, str):
            object.__setattr__(self, "body", self.body.encode())


class Filter:
    """Base class. `config` is the filter's `config` from the configuration (a dict, or None)."""

    def __init__(self, config: Any = None) -> None:
        self.config = config

    def on_request(self, request: Request) -> Reply | Awaitable[Reply | None] | None:
        """A request head has come. Read and change `request`; return None to go on, or a `Reply` to answer. May be `async def`."""
        return None

    def on_response(self, response: Response) -> Reply | Awaitable[Reply | None] | None:
        """A response head (not 1xx, and not this filter's own Reply) is about to go to the client. May be `async def`."""
        return None

    def on_log(self, exchange: Exchange) -> None:
        """The exchange is over; facts only. Never `async def`."""
