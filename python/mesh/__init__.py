"""mesh: a service mesh's data plane inside a Python package.

`mesh.Proxy` runs Envoy configuration on a native engine in this process; `python -m mesh serve` runs it alone; `mesh.aio` runs it inside an
asyncio loop; `mesh.Filter` is the base class of HTTP filters written in Python. Names are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mesh.config import ConfigError
    from mesh.filters import Filter, Reply
    from mesh.proxy import Proxy

__version__ = "0.1.0"
__all__ = ["ConfigError", "Filter", "Proxy", "Reply", "__version__"]

_HOMES = {"Proxy": "mesh.proxy", "ConfigError": "mesh.config", "Filter": "mesh.filters", "Reply": "mesh.filters"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mesh' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
