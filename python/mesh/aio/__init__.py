"""mesh.aio: the engine inside an asyncio loop.

    async with mesh.aio.Proxy("mesh.yaml") as proxy:
        print(proxy.listeners["main"])

`Proxy` is mesh.Proxy without worker threads: the same engine runs on the thread of the running loop, between the application's own
callbacks, on the standard loop and on uvloop. `LoopWorker` is the embedding itself. Names are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mesh.aio.proxy import Proxy
    from mesh.aio.worker import LoopWorker

__all__ = ["LoopWorker", "Proxy"]

_HOMES = {"Proxy": "mesh.aio.proxy", "LoopWorker": "mesh.aio.worker"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mesh.aio' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
