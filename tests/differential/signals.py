"""Named events that the two ends of one case use to wait for each other; made anew for every run of a case.

Must not time out by itself: the limit of the case ends every wait.
"""

from __future__ import annotations

import asyncio


class Signals:
    def __init__(self) -> None:
        self._events: dict[str, asyncio.Event] = {}

    def _event(self, name: str) -> asyncio.Event:
        return self._events.setdefault(name, asyncio.Event())

    def set(self, name: str) -> None:
        self._event(name).set()

    async def wait(self, name: str) -> None:
        await self._event(name).wait()
