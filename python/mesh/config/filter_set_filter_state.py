"""envoy.extensions.filters.http.set_filter_state.v3.Config, and the FilterStateValue that it shares with other filters.

Objects are texts: those of Envoy's factory `envoy.string`, under any key. Called by native_filter.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config import format as formats
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each
from meshcore.bind import filter_spec

CONFIG = Fields("envoy.extensions.filters.http.set_filter_state.v3.Config", {"on_request_headers"})
VALUE = Fields(
    "envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue",
    {"object_key", "factory_key", "format_string", "read_only", "skip_if_empty"},
)
TEXT = "envoy.string"


def lower(message: Any, low: Lowering, path: str) -> filter_spec.SetFilterState:
    CONFIG.check(message, low.report, path)
    return filter_spec.SetFilterState(lower_values(message.on_request_headers, low, join(path, "on_request_headers")))


def lower_values(items: Any, low: Lowering, path: str) -> tuple[filter_spec.FilterStateValue, ...]:
    """A list of FilterStateValue."""
    return each(items, path, lambda item, at: _value(item, low, at))


def _value(item: Any, low: Lowering, path: str) -> filter_spec.FilterStateValue:
    VALUE.check(item, low.report, path)
    factory = item.factory_key or item.object_key
    if factory != TEXT:
        at = join(path, "factory_key" if item.factory_key else "object_key")
        low.refuse(at, f"objects of '{factory}' are not implemented yet in mesh; those of {TEXT} are (write factory_key: {TEXT})")
    text, tree = formats.lower(item.format_string, low, join(path, "format_string"))
    return filter_spec.FilterStateValue(
        key=item.object_key,
        format=text,
        json=tree,
        omit_empty=item.format_string.omit_empty_values,
        read_only=item.read_only,
        skip_if_empty=item.skip_if_empty,
    )
