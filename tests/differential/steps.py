"""The steps that both sides of a case may take on a connection: bytes as they are, signals, waits, and every way to end.

Owns nothing. What only one side can do (requests, answers, what it reads) is in `client.py` and `upstream.py`, which call this for the
rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from tests.differential.peer_socket import PeerSocket
from tests.differential.signals import Signals
from tests.differential.wire import unescape


async def take_step(connection: PeerSocket, verb: str, value: Any, values: Mapping[str, str], signals: Signals) -> None:
    """One step. `values`: what stands for the names in a text."""
    if verb == "raw":
        await connection.send_raw(unescape(value, values))
    elif verb == "goaway":
        await connection.goaway(int(value))
    elif verb == "signal":
        signals.set(value)
    elif verb == "wait":
        await signals.wait(value)
    elif verb == "delay_ms":
        await asyncio.sleep(value / 1000)
    elif verb == "half_close":
        connection.half_close()
    elif verb == "stop_reading":
        connection.stop_reading()
    elif verb == "resume_reading":
        connection.resume_reading()
    elif verb == "close":
        await connection.close()
    elif verb == "reset":
        await connection.reset()
