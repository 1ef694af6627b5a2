"""An aiohttp application with a proxy inside: one process, one thread, one event loop.

    python examples/aiohttp_app/app.py [PORT]

The application answers `/app/...` itself; the proxy in front of it, which listens on PORT (8080), sends those requests to it and
everything under `/api/` to two more servers, round robin. A filter of the application decides who may pass: it reads the application's
own tickets, without a lock and without a hop, because it runs on the application's loop. Ends with Ctrl-C, or when its standard input
ends.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from aiohttp import web

import mesh
import mesh.aio

TICKETS: dict[str, str] = {}


class KnowsTickets(mesh.Filter):
    """Lets a request pass whose x-ticket the application has given out, and tells the upstream whose it is."""

    async def on_request(self, request: Any) -> mesh.Reply | None:
        if request.path.startswith("/app/login"):
            return None
        user = TICKETS.get(request.get("x-ticket", ""))
        if user is None:
            return mesh.Reply(401, "log in first: POST /app/login/NAME\n")
        request.set("x-user", user)
        return None


async def login(request: web.Request) -> web.Response:
    ticket = f"t{len(TICKETS)}"
    TICKETS[ticket] = request.match_info["name"]
    return web.Response(text=ticket)


async def hello(request: web.Request) -> web.Response:
    return web.Response(text=f"hello {request.headers['x-user']}, from the app\n")


def application() -> web.Application:
    app = web.Application()
    app.add_routes([web.post("/app/login/{name}", login), web.get("/app/hello", hello)])
    return app


def backend(name: str) -> web.Application:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=f"hello {request.headers['x-user']}, from {name}\n")

    app = web.Application()
    app.add_routes([web.get("/api/hello", answer)])
    return app


async def serve(app: web.Application) -> tuple[web.AppRunner, int]:
    """Runs an application on a free port of loopback."""
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, int(runner.addresses[0][1])


def configuration(port: int, app: int, backends: list[int]) -> dict[str, Any]:
    return {
        "listen": f"127.0.0.1:{port}",
        "filters": [{"python": f"{KnowsTickets.__module__}:KnowsTickets"}],
        "routes": [
            {"match": "/app/", "to": f"127.0.0.1:{app}"},
            {"match": "/api/", "to": [f"127.0.0.1:{port}" for port in backends], "retries": 1},
        ],
    }


async def main(port: int = 8080) -> None:
    served = [await serve(app) for app in (application(), backend("one"), backend("two"))]
    app_port, *backend_ports = [port for _, port in served]
    try:
        async with mesh.aio.Proxy(configuration(port, app_port, backend_ports)) as proxy:
            (address,) = proxy.listeners.values()
            print(f"listening on http://{address.host}:{address.port}", flush=True)
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    finally:
        for runner, _ in served:
            await runner.cleanup()


if __name__ == "__main__":
    try:
        asyncio.run(main(*(int(port) for port in sys.argv[1:2])))
    except KeyboardInterrupt:
        sys.exit(130)
