"""/runtime and /runtime_modify: the runtime values by layer, and setting them in the admin layer. Called on the pages' thread."""

from __future__ import annotations

from typing import Any

from mesh.admin.json_text import dumps
from mesh.admin.pages import Query
from mesh.filters import Reply
from mesh.runtime import NoAdminLayer

USAGE = (
    "usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n"
    "       or send the parameters as form values\n"
    "use an empty value to remove a previously added override"
)


def page(proxy: Any, query: Query) -> Reply:
    with proxy.published():
        if query.path == "/runtime":
            return _show(proxy.runtime)
        if not query.params:
            return Reply(400, USAGE)
        try:
            proxy.runtime.modify(query.params)
        except NoAdminLayer:
            return Reply(503, "No admin layer specified")
    return Reply(200, "OK\n")


def _show(runtime: Any) -> Reply:
    entries = {
        key: {"layer_values": texts, "final_value": next((text for text in reversed(texts) if text), "")}
        for key, texts in runtime.entries().items()
    }
    return Reply(200, dumps({"layers": runtime.layers, "entries": entries}), content_type="application/json")
