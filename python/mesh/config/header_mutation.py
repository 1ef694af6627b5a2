"""Header lists of routes, virtual hosts, route configurations and weighted clusters (HeaderValueOption and removals).

Envoy's rules: `append` and `append_action` exclude each other, `host` and pseudo headers cannot be removed, and
values are format strings. Called by route_table.py, virtual_host.py, route.py, route_action.py and local_reply.py.
"""

from __future__ import annotations

import json
import re
from typing import Any

from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.format import check_text
from mesh.config.lowering import Lowering, each
from meshcore.bind import spec

OPTION = Fields("envoy.config.core.v3.HeaderValueOption", {"header", "append", "append_action", "keep_empty_value"})
VALUE = Fields("envoy.config.core.v3.HeaderValue", {"key", "value", "raw_value"})
LISTS = frozenset({"request_headers_to_add", "request_headers_to_remove", "response_headers_to_add", "response_headers_to_remove"})
TOKEN = re.compile(r"[0-9a-z!#$%&'*+\-.^_|~\x60]+")
OLD_METADATA = re.compile(r"%((?:UPSTREAM|DYNAMIC)_METADATA)\((\[.*?\])\)%")
OLD_STATE = re.compile(r"%PER_REQUEST_STATE\((.+?)\)%")
ACTIONS = ("append", "add_if_absent", "overwrite", "overwrite_if_exists")


def lower(message: Any, low: Lowering, path: str) -> spec.HeaderMutation:
    """The four lists of any message that has them."""
    if not any((message.request_headers_to_add, message.request_headers_to_remove,
                message.response_headers_to_add, message.response_headers_to_remove)):  # fmt: skip
        return NOTHING
    return spec.HeaderMutation(
        request_add=lower_add(message.request_headers_to_add, low, join(path, "request_headers_to_add")),
        request_remove=_remove(message.request_headers_to_remove, low, join(path, "request_headers_to_remove")),
        response_add=lower_add(message.response_headers_to_add, low, join(path, "response_headers_to_add")),
        response_remove=_remove(message.response_headers_to_remove, low, join(path, "response_headers_to_remove")),
    )


NOTHING = spec.HeaderMutation()


def lower_add(options: Any, low: Lowering, path: str) -> tuple[spec.HeaderAdd, ...]:
    return each(options, path, lambda option, at: _option(option, low, at))


def _option(option: Any, low: Lowering, path: str) -> spec.HeaderAdd:
    OPTION.check(option, low.report, path)
    VALUE.check(option.header, low.report, join(path, "header"))
    name = option.header.key.lower()
    if name.startswith(":") or name == "host":
        low.refuse(
            join(path, "header.key"),
            f"'{option.header.key}' may not be changed: a header that begins with ':', and host",
        )
    elif not TOKEN.fullmatch(name):
        low.refuse(
            join(path, "header.key"),
            f"'{option.header.key}' is no header name (RFC 9110: letters, digits and !#$%&'*+-.^_`|~)",
        )
    if option.HasField("append") and option.append_action:
        low.refuse(join(path, "append"), "'append' and 'append_action' are both set, and only one of the two may be")
    if option.header.value and option.header.raw_value:
        low.refuse(join(path, "header.raw_value"), "'value' and 'raw_value' are both set, and only one of the two may be")
    action = "overwrite" if option.HasField("append") and not option.append.value else ACTIONS[option.append_action]
    # Envoy has no use for a raw_value here: such a header is empty.
    value = modern(option.header.value)
    check_text(value, low, join(path, "header.value"))
    return spec.HeaderAdd(name, value, action, option.keep_empty_value)


def modern(text: str) -> str:
    """A value without the older spellings that Envoy still takes in headers: metadata by a JSON list, filter state per request."""
    if "_METADATA([" not in text and "PER_REQUEST_STATE" not in text:
        return text
    return OLD_STATE.sub(r"%FILTER_STATE(\1:PLAIN)%", OLD_METADATA.sub(_by_colons, text))


def _by_colons(found: re.Match[str]) -> str:
    try:
        keys = json.loads(found[2])
    except ValueError:
        return found[0]
    return f"%{found[1]}({':'.join(keys)})%" if all(isinstance(key, str) for key in keys) else found[0]


def _remove(names: Any, low: Lowering, path: str) -> tuple[str, ...]:
    for index, name in enumerate(names):
        if name.startswith(":") or name.lower() == "host":
            low.refuse(f"{path}[{index}]", f"'{name}' may not be removed: a header that begins with ':', and host")
    return tuple(name.lower() for name in names)
