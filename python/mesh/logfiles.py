"""The access-log files of a proxy: one descriptor per path, shared by all workers (O_APPEND), reopened on demand.

Main thread. A descriptor that a worker may still write to is never closed before the worker has got its successor.
"""

from __future__ import annotations

import os

STANDARD = {"/dev/stdout": 1, "/dev/stderr": 2}


class LogFiles:
    """Paths to (slot, descriptor). `slots` is handed to the table builder, which adds the paths it meets."""

    def __init__(self) -> None:
        self.slots: dict[str, int] = {}
        self._open: dict[str, int] = {}

    def open_new(self) -> list[tuple[int, int]]:
        """Opens the paths that have no descriptor yet: [(slot, descriptor)]. Raises OSError that names the path, and then forgets them all:
        the configuration that asked for them is not going to run. They are the newest, so the slots that stay are still 0 to n."""
        new = [path for path in self.slots if path not in self._open]
        try:
            for path in new:
                self._open[path] = _open(path)
        except OSError:
            for path in new:
                descriptor = self._open.pop(path, None)
                if descriptor is not None and path not in STANDARD:
                    os.close(descriptor)
                del self.slots[path]
            raise
        return [(self.slots[path], self._open[path]) for path in new]

    def reopen(self) -> tuple[list[tuple[int, int]], list[int]]:
        """Opens every file again: ([(slot, new descriptor)], old descriptors to close once all workers have the new ones)."""
        fresh, old = [], []
        for path, slot in self.slots.items():
            if path in self._open and path not in STANDARD:
                descriptor = _open(path)
                old.append(self._open[path])
                self._open[path] = descriptor
                fresh.append((slot, descriptor))
        return fresh, old

    def close(self) -> None:
        """After all workers have ended."""
        for path, descriptor in self._open.items():
            if path not in STANDARD:
                os.close(descriptor)
        self._open.clear()


def _open(path: str) -> int:
    if path in STANDARD:
        return STANDARD[path]
    try:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise OSError(error.errno, f"access log {path}: {error.strerror}") from None
