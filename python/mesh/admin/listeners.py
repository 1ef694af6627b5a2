"""/listeners: names and bound addresses, as text or JSON."""

from __future__ import annotations

import json
from typing import Any

from mesh.filters import Reply


def page(proxy: Any, query: Any) -> Reply:
    bound = proxy.listeners
    if query.params.get("format") == "json":
        statuses = [
            {"name": name, "local_address": {"socket_address": {"address": at.host, "port_value": at.port}}}
            for name, at in bound.items()
        ]
        return Reply(200, json.dumps({"listener_statuses": statuses}, indent=1), "application/json")
    text = "".join(f"{name}::{at.host}:{at.port}\n" if at.port >= 0 else f"{name}::{at.host}\n" for name, at in bound.items())
    return Reply(200, text, "text/plain; charset=UTF-8")
