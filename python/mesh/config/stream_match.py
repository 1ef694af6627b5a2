"""Conditions upon a stream: MetadataMatcher, FilterStateMatcher, ValueMatcher and IP ranges.

What they look at is left by filters, so a route with such a condition is reached when a filter asks for another look.
Called by route_match.py and match_tree.py."""

from __future__ import annotations

from typing import Any

from mesh.config import address, matcher
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each
from meshcore.bind import spec

METADATA = Fields("envoy.type.matcher.v3.MetadataMatcher", {"filter", "path", "value", "invert"})
SEGMENT = Fields("envoy.type.matcher.v3.MetadataMatcher.PathSegment", {"key"})
VALUE = Fields(
    "envoy.type.matcher.v3.ValueMatcher",
    {"null_match", "double_match", "string_match", "bool_match", "present_match", "list_match", "or_match"},
)
NUMBER = Fields("envoy.type.matcher.v3.DoubleMatcher", {"range", "exact"})
LIST = Fields("envoy.type.matcher.v3.ListMatcher", {"one_of"})
ANY_OF = Fields("envoy.type.matcher.v3.OrMatcher", {"value_matchers"})
FILTER_STATE = Fields("envoy.type.matcher.v3.FilterStateMatcher", {"key", "string_match", "address_match"})
ADDRESS = Fields("envoy.type.matcher.v3.AddressMatcher", {"ranges"})


def lower_metadata(message: Any, low: Lowering, path: str) -> spec.MetadataMatch:
    METADATA.check(message, low.report, path)
    for index, segment in enumerate(message.path):
        SEGMENT.check(segment, low.report, f"{join(path, 'path')}[{index}]")
    return spec.MetadataMatch(
        namespace=message.filter,
        path=tuple(segment.key for segment in message.path),
        value=lower_value(message.value, low, join(path, "value")),
        invert=message.invert,
    )


def lower_value(message: Any, low: Lowering, path: str) -> spec.ValueMatch:
    VALUE.check(message, low.report, path)
    kind = message.WhichOneof("match_pattern")
    at = join(path, kind or "")
    if kind == "double_match":
        NUMBER.check(message.double_match, low.report, at)
        if message.double_match.WhichOneof("match_pattern") == "exact":
            return spec.ValueMatch("number", start=message.double_match.exact)
        bounds = message.double_match.range
        return spec.ValueMatch("range", start=bounds.start, end=bounds.end)
    if kind == "string_match":
        return spec.ValueMatch("string", string=matcher.lower_string(message.string_match, low, at))
    if kind == "bool_match":
        return spec.ValueMatch("bool", flag=message.bool_match)
    if kind == "present_match":
        return spec.ValueMatch("present", flag=message.present_match)
    if kind == "list_match":
        LIST.check(message.list_match, low.report, at)
        return spec.ValueMatch("any_item", parts=(lower_value(message.list_match.one_of, low, join(at, "one_of")),))
    if kind == "or_match":
        ANY_OF.check(message.or_match, low.report, at)
        inner = each(message.or_match.value_matchers, join(at, "value_matchers"), lambda one, here: lower_value(one, low, here))
        return spec.ValueMatch("any_of", parts=inner)
    return spec.ValueMatch("null")


def lower_filter_state(message: Any, low: Lowering, path: str) -> spec.FilterStateMatch:
    FILTER_STATE.check(message, low.report, path)
    kind = message.WhichOneof("matcher")
    if kind == "address_match":
        ADDRESS.check(message.address_match, low.report, join(path, kind))
        return spec.FilterStateMatch(message.key, ranges=lower_ranges(message.address_match.ranges, low, join(path, f"{kind}.ranges")))
    return spec.FilterStateMatch(message.key, string=matcher.lower_string(message.string_match, low, join(path, "string_match")))


def lower_ranges(items: Any, low: Lowering, path: str) -> tuple[tuple[str, int], ...]:
    """(address, prefix length) of a list of CidrRange."""
    return each(items, path, lambda item, at: address.lower_cidr(item, low, at))
