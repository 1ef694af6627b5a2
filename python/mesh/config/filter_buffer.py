"""envoy.extensions.filters.http.buffer.v3: Buffer, and BufferPerRoute, which switches it off or gives another limit.

Called by native_filter.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering
from meshcore.bind import filter_spec

BUFFER = Fields("envoy.extensions.filters.http.buffer.v3.Buffer", {"max_request_bytes"})
PER_ROUTE = Fields("envoy.extensions.filters.http.buffer.v3.BufferPerRoute", {"disabled", "buffer"})


def lower(message: Any, low: Lowering, path: str) -> filter_spec.Buffer:
    BUFFER.check(message, low.report, path)
    return filter_spec.Buffer(message.max_request_bytes.value)


def lower_per_route(message: Any, low: Lowering, path: str) -> filter_spec.Buffer:
    PER_ROUTE.check(message, low.report, path)
    if message.disabled:
        return filter_spec.Buffer(disabled=True)
    return lower(message.buffer, low, join(path, "buffer"))
