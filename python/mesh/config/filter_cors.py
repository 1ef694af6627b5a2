"""envoy.extensions.filters.http.cors.v3: Cors, which says nothing, and CorsPolicy, which routes and virtual hosts give.

Called by native_filter.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config import matcher, runtime
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each, wrapped_or
from meshcore.bind import filter_spec, spec

CORS = Fields("envoy.extensions.filters.http.cors.v3.Cors", ())
POLICY = Fields(
    "envoy.extensions.filters.http.cors.v3.CorsPolicy",
    {
        "allow_origin_string_match", "allow_methods", "allow_headers", "expose_headers", "max_age", "allow_credentials",
        "filter_enabled", "shadow_enabled", "allow_private_network_access", "forward_not_matching_preflights",
    },
)  # fmt: skip


def lower(message: Any, low: Lowering, path: str) -> None:
    CORS.check(message, low.report, path)


def lower_per_route(message: Any, low: Lowering, path: str) -> filter_spec.CorsPolicy:
    POLICY.check(message, low.report, path)
    at = join(path, "allow_origin_string_match")
    return filter_spec.CorsPolicy(
        allow_origin=each(message.allow_origin_string_match, at, lambda item, here: matcher.lower_string(item, low, here)),
        allow_methods=message.allow_methods,
        allow_headers=message.allow_headers,
        expose_headers=message.expose_headers,
        max_age=message.max_age,
        allow_credentials=wrapped_or(message, "allow_credentials", None),
        filter_enabled=_fraction(message, "filter_enabled", low, path),
        shadow_enabled=_fraction(message, "shadow_enabled", low, path),
        allow_private_network_access=wrapped_or(message, "allow_private_network_access", None),
        forward_not_matching_preflights=wrapped_or(message, "forward_not_matching_preflights", None),
    )


def _fraction(message: Any, name: str, low: Lowering, path: str) -> spec.RuntimeFraction | None:
    return runtime.lower_fraction(getattr(message, name), low, join(path, name)) if message.HasField(name) else None
