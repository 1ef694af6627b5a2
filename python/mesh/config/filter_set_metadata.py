"""envoy.extensions.filters.http.set_metadata.v3.Config: its list, and the older single entry, which comes first and merges.

Typed metadata is refused: nothing in the engine reads it. Called by native_filter.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each
from mesh.config.render import to_tree
from meshcore.bind import filter_spec

CONFIG = Fields("envoy.extensions.filters.http.set_metadata.v3.Config", {"metadata_namespace", "value", "metadata"})
ENTRY = Fields("envoy.extensions.filters.http.set_metadata.v3.Metadata", {"metadata_namespace", "allow_overwrite", "value"})


def lower(message: Any, low: Lowering, path: str) -> filter_spec.SetMetadata:
    CONFIG.check(message, low.report, path)
    first: tuple[filter_spec.MetadataValue, ...] = ()
    if message.HasField("value") and message.metadata_namespace:
        first = (filter_spec.MetadataValue(message.metadata_namespace, to_tree(message.value), True),)
    listed = each(message.metadata, join(path, "metadata"), lambda item, at: _entry(item, low, at))
    return filter_spec.SetMetadata(first + tuple(one for one in listed if one is not None))


def _entry(item: Any, low: Lowering, path: str) -> filter_spec.MetadataValue | None:
    """None: it holds no value, and Envoy takes it for typed metadata."""
    ENTRY.check(item, low.report, path)
    if not item.HasField("value"):
        return None
    return filter_spec.MetadataValue(item.metadata_namespace, to_tree(item.value), item.allow_overwrite)
