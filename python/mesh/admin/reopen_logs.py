"""/reopen_logs: as SIGUSR1."""

from __future__ import annotations

from typing import Any

from mesh.admin.pages import Query
from mesh.filters import Reply


def page(proxy: Any, query: Query) -> Reply:
    proxy.reopen_logs()
    return Reply(200, "OK\n")
