"""/ready: LIVE with 200, or the state with 503. Load balancers ask this."""

from __future__ import annotations

from typing import Any

from mesh.filters import Reply


def page(proxy: Any, query: Any) -> Reply:
    state = proxy.state
    return Reply(200 if state == "LIVE" else 503, state + "\n", "text/plain; charset=UTF-8")
