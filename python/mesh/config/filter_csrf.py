"""envoy.extensions.filters.http.csrf.v3.CsrfPolicy, of a chain or of a route. Called by native_filter.py."""

from __future__ import annotations

from typing import Any

from mesh.config import matcher, runtime
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each
from meshcore.bind import filter_spec

POLICY = Fields(
    "envoy.extensions.filters.http.csrf.v3.CsrfPolicy", {"filter_enabled", "shadow_enabled", "additional_origins"}
)


def lower(message: Any, low: Lowering, path: str) -> filter_spec.CsrfPolicy:
    POLICY.check(message, low.report, path)
    at = join(path, "additional_origins")
    return filter_spec.CsrfPolicy(
        filter_enabled=runtime.lower_fraction(message.filter_enabled, low, join(path, "filter_enabled")),
        shadow_enabled=runtime.lower_fraction(message.shadow_enabled, low, join(path, "shadow_enabled"))
        if message.HasField("shadow_enabled")
        else None,
        additional_origins=each(message.additional_origins, at, lambda item, here: matcher.lower_string(item, low, here)),
    )
