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
        """Opens the paths that have no descriptor yet: [(slot, descriptor)]. Raises OSError that names the path."""
        fresh = []
        for path, slot in self.slots.items():
            if path not in self._open:
                self._open[path] = _open(path)
                fresh.append((slot, self._open[path]))
        return fresh

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
