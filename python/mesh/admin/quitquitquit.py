"""/quitquitquit: the process ends as after an immediate stop; a drain comes first only when a signal asks for it."""

from __future__ import annotations

from typing import Any

from mesh.admin.pages import Query
from mesh.filters import Reply


def page(proxy: Any, query: Query) -> Reply:
    if proxy.on_quit is None:
        return Reply(503, "this proxy lives in an application; stop it there\n")
    proxy.on_quit()
    return Reply(200, "OK\n")
