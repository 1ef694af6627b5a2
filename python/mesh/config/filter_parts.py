"""Small messages that several filters share: RuntimeFeatureFlag, and the numbers that a runtime key may replace.

Called by the files of the filters.
"""

from __future__ import annotations

from typing import Any

from mesh.config import schema
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, wrapped_or
from meshcore.bind import filter_spec

FLAG = Fields("envoy.config.core.v3.RuntimeFeatureFlag", {"default_value", "runtime_key"})


CODEC = "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"


def codec_alone(filters: Any) -> bool:
    """A chain towards hosts in which nothing but their protocol is spoken, which is what happens without it."""
    return len(filters) == 1 and schema.type_name(filters[0].typed_config) == CODEC and not filters[0].disabled


def lower_flag(message: Any, name: str, low: Lowering, path: str) -> filter_spec.RuntimeFlag:
    """Field `name` of `message`; true when it is not set."""
    inner = getattr(message, name)
    FLAG.check(inner, low.report, join(path, name))
    return filter_spec.RuntimeFlag(bool(wrapped_or(inner, "default_value", True)), inner.runtime_key)


def lower_number(message: Any, name: str, default: float) -> filter_spec.RuntimeNumber:
    """Field `name` of `message`, a RuntimeDouble, RuntimePercent or RuntimeUInt32; `default` when it is not set."""
    if not message.HasField(name):
        return filter_spec.RuntimeNumber(default)
    inner = getattr(message, name)
    value = inner.default_value
    return filter_spec.RuntimeNumber(float(getattr(value, "value", value)), inner.runtime_key)
