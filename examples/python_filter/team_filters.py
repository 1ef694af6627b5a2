"""Two filters of mesh.yaml beside this file: an API key that is asked for, and a slow question that does not stop the proxy.

    PYTHONPATH=examples/python_filter python -m mesh serve -c examples/python_filter/mesh.yaml
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import mesh

LOG = logging.getLogger("example")


class ApiKey(mesh.Filter):
    """Synchronous: runs on the worker, for all requests of one turn of its loop under one acquisition of the GIL. Must not block."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.teams: dict[str, str] = config["keys"]

    def on_request(self, request: Any) -> mesh.Reply | None:
        team = self.teams.get(request.get("x-api-key", ""))
        if team is None:
            return mesh.Reply(401, "x-api-key is missing or unknown\n")
        request.remove("x-api-key")
        request.set("x-team", team)
        return None

    def on_response(self, response: Any) -> None:
        response.set("x-served-by", "mesh")

    def on_log(self, exchange: Any) -> None:
        LOG.info("%s %s -> %d in %.1f ms", exchange.method, exchange.path, exchange.status, exchange.duration_ms)


class Quota(mesh.Filter):
    """Asynchronous: the stream is parked while the hook waits, and the worker goes on with others."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.left: dict[str, int] = {}

    async def on_request(self, request: Any) -> mesh.Reply | None:
        team = request.get("x-team", "")
        left = await self.ask(team)
        request.set("x-quota-left", str(left))
        return mesh.Reply(429, "no requests left\n", headers=(("retry-after", "1"),)) if left < 0 else None

    async def ask(self, team: str) -> int:
        """Stands for a question to a database."""
        await asyncio.sleep(0.001)
        self.left[team] = self.left.get(team, self.config["each"]) - 1
        return self.left[team]
