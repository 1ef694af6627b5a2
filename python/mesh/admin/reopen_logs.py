"""/reopen_logs: as SIGUSR1."""

from __future__ import annotations

from typing import Any

from mesh.filters import Reply


def page(proxy: Any, query: Any) -> Reply:
    proxy.reopen_logs()
    return Reply(200, "OK\n")
