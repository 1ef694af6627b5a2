"""envoy.config.route.v3.RateLimit: what makes two requests the same to a rate limiter. Of routes, virtual hosts, filters.

Called by route_action.py, virtual_host.py, thrift_route.py and the rate limit filters.
"""

from __future__ import annotations

from typing import Any

from mesh.config import matcher
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each, wrapped_or
from meshcore.bind import spec

NAME = "envoy.config.route.v3.RateLimit"
ACTIONS = {
    "source_cluster", "destination_cluster", "request_headers", "query_parameters", "remote_address", "generic_key",
    "header_value_match", "dynamic_metadata", "metadata", "masked_remote_address", "query_parameter_value_match",
}  # fmt: skip
RULE = Fields(NAME, {"stage", "disable_key", "actions", "hits_addend"})
ADDEND = Fields(f"{NAME}.HitsAddend", {"number"})
ACTION = Fields(f"{NAME}.Action", ACTIONS)
KEY = Fields("envoy.type.metadata.v3.MetadataKey", {"key", "path"})
PARTS = {
    "source_cluster": Fields(f"{NAME}.Action.SourceCluster", ()),
    "destination_cluster": Fields(f"{NAME}.Action.DestinationCluster", ()),
    "remote_address": Fields(f"{NAME}.Action.RemoteAddress", ()),
    "request_headers": Fields(f"{NAME}.Action.RequestHeaders", {"header_name", "descriptor_key", "skip_if_absent"}),
    "query_parameters": Fields(
        f"{NAME}.Action.QueryParameters", {"query_parameter_name", "descriptor_key", "skip_if_absent"}
    ),
    "generic_key": Fields(f"{NAME}.Action.GenericKey", {"descriptor_value", "descriptor_key"}),
    "header_value_match": Fields(
        f"{NAME}.Action.HeaderValueMatch", {"descriptor_key", "descriptor_value", "expect_match", "headers"}
    ),
    "query_parameter_value_match": Fields(
        f"{NAME}.Action.QueryParameterValueMatch",
        {"descriptor_key", "descriptor_value", "expect_match", "query_parameters"},
    ),
    "masked_remote_address": Fields(
        f"{NAME}.Action.MaskedRemoteAddress", {"v4_prefix_mask_len", "v6_prefix_mask_len"}
    ),
    "metadata": Fields(
        f"{NAME}.Action.MetaData",
        {"descriptor_key", "metadata_key", "default_value", "skip_if_absent"},
        harmless={"source": lambda value: value == 0},
    ),
    "dynamic_metadata": Fields(
        f"{NAME}.Action.DynamicMetaData", {"descriptor_key", "metadata_key", "default_value"}
    ),
}
DEFAULT_KEYS = {"generic_key": "generic_key", "header_value_match": "header_match", "query_parameter_value_match": "query_match"}
LONGEST = (32, 128)


def lower_all(rules: Any, low: Lowering, path: str) -> tuple[spec.RateLimit, ...]:
    """A field `rate_limits`."""
    return each(rules, path, lambda rule, at: lower(rule, low, at))


def lower_own(rules: Any, low: Lowering, path: str) -> tuple[spec.RateLimit, ...]:
    """Rules that stand in a filter's own settings."""
    for index, rule in enumerate(rules):
        if rule.HasField("stage") or rule.disable_key:
            field = "stage" if rule.HasField("stage") else "disable_key"
            low.refuse(f"{path}[{index}].{field}", "belongs to rules of routes, not of the filter itself")
    return lower_all(rules, low, path)


def lower(message: Any, low: Lowering, path: str) -> spec.RateLimit:
    RULE.check(message, low.report, path)
    ADDEND.check(message.hits_addend, low.report, join(path, "hits_addend"))
    hits = wrapped_or(message.hits_addend, "number", None)
    actions = each(message.actions, join(path, "actions"), lambda item, at: _action(item, low, at))
    return spec.RateLimit(actions, message.stage.value, hits, message.disable_key)


def _action(message: Any, low: Lowering, path: str) -> spec.RateLimitAction:
    ACTION.check(message, low.report, path)
    kind = message.WhichOneof("action_specifier")
    if kind not in PARTS:
        return spec.RateLimitAction("generic_key", "", "")
    inner, at = getattr(message, kind), join(path, kind)
    PARTS[kind].check(inner, low.report, at)
    if kind in ("source_cluster", "destination_cluster", "remote_address"):
        return spec.RateLimitAction(kind, kind)
    if kind == "masked_remote_address":
        lengths = (wrapped_or(inner, "v4_prefix_mask_len", LONGEST[0]), wrapped_or(inner, "v6_prefix_mask_len", LONGEST[1]))
        return spec.RateLimitAction(kind, kind, prefix_lengths=lengths)
    if kind in ("metadata", "dynamic_metadata"):
        return _metadata(inner, low, at)
    key = inner.descriptor_key or DEFAULT_KEYS.get(kind, "")
    if kind == "request_headers":
        return spec.RateLimitAction(kind, key, name=inner.header_name.lower(), skip_if_absent=inner.skip_if_absent)
    if kind == "query_parameters":
        return spec.RateLimitAction(kind, key, name=inner.query_parameter_name, skip_if_absent=inner.skip_if_absent)
    if kind == "generic_key":
        return spec.RateLimitAction(kind, key, inner.descriptor_value)
    expect = wrapped_or(inner, "expect_match", True)
    if kind == "header_value_match":
        headers = each(inner.headers, join(at, "headers"), lambda item, here: matcher.lower_header(item, low, here))
        return spec.RateLimitAction(kind, key, inner.descriptor_value, expect=expect, headers=headers)
    queries = each(inner.query_parameters, join(at, "query_parameters"), lambda item, here: matcher.lower_query(item, low, here))
    return spec.RateLimitAction(kind, key, inner.descriptor_value, expect=expect, queries=queries)


def _metadata(message: Any, low: Lowering, path: str) -> spec.RateLimitAction:
    KEY.check(message.metadata_key, low.report, join(path, "metadata_key"))
    return spec.RateLimitAction(
        "metadata",
        message.descriptor_key,
        message.default_value,
        name=message.metadata_key.key,
        path=tuple(segment.key for segment in message.metadata_key.path),
        skip_if_absent=getattr(message, "skip_if_absent", False),
    )
