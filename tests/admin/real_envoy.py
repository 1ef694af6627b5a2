"""Asks a real Envoy for admin pages: starts it with the tests' configuration, asks each page once, and stops it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from tests.admin.asking import Page, ask, bootstrap
from tests.peers.envoy import envoy_peer
from tests.peers.ports import PortReservation


def observe(directory: Path, requests: list[tuple[str, str]]) -> dict[tuple[str, str], Page]:
    """{(method, path): page}, asked in order."""
    with PortReservation() as ports:
        return asyncio.run(_observe(directory, requests, ports.pick()))


async def _observe(directory: Path, requests: list[tuple[str, str]], port: int) -> dict[tuple[str, str], Page]:
    file = directory / "envoy.json"
    file.write_text(json.dumps(bootstrap(port)))
    async with envoy_peer(file, directory, port):
        return {(method, path): await asyncio.to_thread(ask, port, path, method) for method, path in requests}
