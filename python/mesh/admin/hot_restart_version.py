"""/hot_restart_version: `disabled`, as Envoy says when it runs without hot restart. mesh reloads in place (SIGHUP) instead."""

from __future__ import annotations

from typing import Any

from mesh.admin.pages import Query
from mesh.filters import Reply

VERSION = "disabled"


def page(proxy: Any, query: Query) -> Reply:
    return Reply(200, VERSION)
