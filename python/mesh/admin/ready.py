"""/ready: LIVE with 200, or the state with 503. Load balancers ask this."""

from __future__ import annotations

from typing import Any

from mesh.admin.pages import Query
from mesh.filters import Reply


def page(proxy: Any, query: Query) -> Reply:
    state = proxy.server_state
    return Reply(200 if state == "LIVE" else 503, state + "\n")
