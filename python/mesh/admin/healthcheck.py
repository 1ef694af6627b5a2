"""/healthcheck/fail and /healthcheck/ok: whether the server counts as healthy, whatever its real state.

While it fails, /ready answers 503 DRAINING and server.live is 0; connections that are open when it begins to fail end after their
response, so that clients look for another server. Called on the pages' thread."""

from __future__ import annotations

from typing import Any

from mesh.admin.pages import Query
from mesh.filters import Reply


def page(proxy: Any, query: Query) -> Reply:
    proxy.set_health(query.path == "/healthcheck/ok")
    return Reply(200, "OK\n")
