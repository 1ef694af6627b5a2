"""envoy.config.route.v3.RouteMatch: which requests a route takes.

Keeps the order of header and query matchers. Called by route.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config import matcher, runtime, stream_match, uri_template
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each, wrapped_or
from meshcore.bind import spec

MATCH = Fields(
    "envoy.config.route.v3.RouteMatch",
    {
        "prefix", "path", "safe_regex", "connect_matcher", "path_separated_prefix", "path_match_policy", "case_sensitive",
        "runtime_fraction", "headers", "query_parameters", "grpc", "tls_context", "dynamic_metadata", "filter_state",
    },
)  # fmt: skip
TLS = Fields("envoy.config.route.v3.RouteMatch.TlsContextMatchOptions", {"presented", "validated"})


def lower(message: Any, low: Lowering, path: str) -> spec.RouteMatch:
    MATCH.check(message, low.report, path)
    kind = message.WhichOneof("path_specifier")
    value = ""
    if kind == "safe_regex":
        value = matcher.lower_regex(message.safe_regex, low, join(path, kind))
    elif kind == "path_match_policy":
        value = uri_template.lower_match(message.path_match_policy, low, join(path, kind))
    elif kind in ("prefix", "path", "path_separated_prefix"):
        value = getattr(message, kind)
    return spec.RouteMatch(
        path_kind={"safe_regex": "regex", "path_match_policy": "uri_template", "connect_matcher": "connect"}.get(kind, kind or "prefix"),
        path=value,
        case_sensitive=wrapped_or(message, "case_sensitive", True),
        headers=each(message.headers, join(path, "headers"), lambda m, at: matcher.lower_header(m, low, at)),
        query=each(message.query_parameters, join(path, "query_parameters"), lambda m, at: matcher.lower_query(m, low, at)),
        runtime_fraction=runtime.lower_fraction(message.runtime_fraction, low, join(path, "runtime_fraction"))
        if message.HasField("runtime_fraction")
        else None,
        grpc=message.HasField("grpc"),
        **_stream_conditions(message, low, path),
    )


def _stream_conditions(message: Any, low: Lowering, path: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if message.HasField("tls_context"):
        TLS.check(message.tls_context, low.report, join(path, "tls_context"))
        found["tls_presented"] = wrapped_or(message.tls_context, "presented", None)
        found["tls_validated"] = wrapped_or(message.tls_context, "validated", None)
    found["metadata"] = each(
        message.dynamic_metadata, join(path, "dynamic_metadata"), lambda m, at: stream_match.lower_metadata(m, low, at))
    found["filter_state"] = each(
        message.filter_state, join(path, "filter_state"), lambda m, at: stream_match.lower_filter_state(m, low, at))
    return found
