"""/drain_listeners: stops the listeners at once, or after a graceful drain; the process lives on.

`graceful`: connections drain first (`Connection: close` on each response), and the listeners stop when the drain time is over.
`skip_exit`: connections drain, and the listeners never stop. `inboundonly`: only listeners whose traffic_direction is INBOUND. As in Envoy
a parameter counts when it is there, whatever its value. Called on the pages' thread."""

from __future__ import annotations

from typing import Any

from mesh.admin.pages import Query
from mesh.filters import Reply


def page(proxy: Any, query: Query) -> Reply:
    inbound_only = "inboundonly" in query.params
    if "skip_exit" in query.params:
        proxy.drain_listeners(inbound_only=inbound_only, stop_after_s=None)
    elif "graceful" in query.params:
        proxy.drain_listeners(inbound_only=inbound_only, stop_after_s=proxy.drain_time_s)
    else:
        proxy.stop_listeners(inbound_only=inbound_only)
    return Reply(200, "OK\n")
