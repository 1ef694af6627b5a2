"""The process log of `serve`: Python's logging, written to stderr in Envoy's format.

`[2026-11-23 01:51:03.599][4688][info][main] text`: local time, thread id, level, logger (a logger `mesh.x` is called
`x`). Access logs are the engine's and have nothing to do with this. Set up once, on the main thread, before the proxy
starts."""

from __future__ import annotations

import logging
import sys
import time
from typing import TextIO

TRACE = 5
OFF = logging.CRITICAL + 10
LEVELS = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "off": OFF,
}
NAMES = {number: name for name, number in reversed(LEVELS.items())} | {logging.WARNING: "warning"}
ROOT = "mesh"


class Format(logging.Formatter):
    """One line per record; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        level = NAMES.get(record.levelno, record.levelname.lower())
        name = "main" if record.name == ROOT else record.name.removeprefix(f"{ROOT}.")
        thread = getattr(record, "native_thread", record.thread)
        line = f"[{moment}.{int(record.msecs):03d}][{thread}][{level}][{name}] {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def set_up(level: str, stream: TextIO | None = None) -> logging.Logger:
    """Directs the loggers under `mesh` to `stream` (stderr) at `level`, one of LEVELS."""
    logging.addLevelName(TRACE, "TRACE")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Format())
    handler.addFilter(_native_thread)
    root = logging.getLogger(ROOT)
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(LEVELS[level])
    root.propagate = False
    return root


def _native_thread(record: logging.LogRecord) -> bool:
    """Notes the kernel's thread id while still on the thread that logs."""
    import threading

    record.native_thread = threading.get_native_id()
    return True
