"""/reset_counters: all counters begin at 0 again."""

from __future__ import annotations

from typing import Any

from mesh.admin.pages import Query
from mesh.filters import Reply


def page(proxy: Any, query: Query) -> Reply:
    proxy.registry.reset_counters()
    return Reply(200, "OK\n")
