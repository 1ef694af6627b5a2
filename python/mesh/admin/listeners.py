"""/listeners: names and bound addresses, as text or JSON (envoy.admin.v3.Listeners). A stopped listener is still there, as in Envoy.

Called on the pages' thread."""

from __future__ import annotations

from typing import Any

from mesh.admin.hosts import fill_address
from mesh.admin.json_text import dumps, shown
from mesh.admin.pages import Query
from mesh.config.listener import name_of
from mesh.filters import Reply


def page(proxy: Any, query: Query) -> Reply:
    with proxy.published() as running:
        bound = {name: live.bound for name, live in running.listeners.items()}
    if query.params.get("format") == "json":
        return Reply(200, as_json(bound), "application/json")
    return Reply(200, "".join(f"{name}::{name_of(at)}\n" for name, addresses in bound.items() for at in addresses))


def as_json(bound: dict[str, Any]) -> str:
    from envoy.admin.v3.listeners_pb2 import Listeners

    message = Listeners()
    for name, (first, *more) in bound.items():
        status = message.listener_statuses.add(name=name)
        fill_address(first, status.local_address)
        for address in more:
            fill_address(address, status.additional_local_addresses.add())
    return dumps(shown(message))
