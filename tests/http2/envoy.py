"""A real Envoy that runs a bootstrap of `mesh.testing`, for comparisons on the wire."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.peers.envoy import envoy_peer
from tests.peers.ports import PortReservation


@asynccontextmanager
async def envoy_with(made: dict[str, Any], directory: Path) -> AsyncIterator[int]:
    """The port of its listener, once it is ready. `made` gets the ports; `directory` takes what Envoy writes."""
    with PortReservation() as ports:
        port, admin = ports.reserve(), ports.pick()
        made["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"] = port
        made["admin"] = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}}
        path = directory / "bootstrap.json"
        path.write_text(json.dumps(made))
        async with envoy_peer(path, directory, admin):
            yield port
