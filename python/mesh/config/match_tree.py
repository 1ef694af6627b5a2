"""xds.type.matcher.v3.Matcher: match trees with their inputs and predicates.

What an action may be is the caller's business: `lower` gets a function that turns an action into a number. Inputs are
those of a request and its connection; one that nothing here can know is refused. Envoy's route tables accept
request headers, filter state and environment variables alone, here all inputs are accepted everywhere. Called by
virtual_host.py, listener.py and access_rules.py."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from mesh.config import address, matcher
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each
from meshcore.bind import spec

XDS = "xds.type.matcher.v3"
NETWORK = "envoy.extensions.matching.common_inputs.network.v3"
TREE = Fields(f"{XDS}.Matcher", {"matcher_list", "matcher_tree", "on_no_match"})
LIST = Fields(f"{XDS}.Matcher.MatcherList", {"matchers"})
FIELD = Fields(f"{XDS}.Matcher.MatcherList.FieldMatcher", {"predicate", "on_match"})
PREDICATE = Fields(f"{XDS}.Matcher.MatcherList.Predicate", {"single_predicate", "or_matcher", "and_matcher", "not_matcher"})
SINGLE = Fields(f"{XDS}.Matcher.MatcherList.Predicate.SinglePredicate", {"input", "value_match", "custom_match"})
PARTS = Fields(f"{XDS}.Matcher.MatcherList.Predicate.PredicateList", {"predicate"})
MAP_TREE = Fields(f"{XDS}.Matcher.MatcherTree", {"input", "exact_match_map", "prefix_match_map", "custom_match"})
MAP = Fields(f"{XDS}.Matcher.MatcherTree.MatchMap", {"map"})
ON_MATCH = Fields(f"{XDS}.Matcher.OnMatch", {"matcher", "action", "keep_matching"})
STRING = Fields(f"{XDS}.StringMatcher", {"exact", "prefix", "suffix", "safe_regex", "contains", "ignore_case"})
REGEX = Fields(f"{XDS}.RegexMatcher", {"google_re2", "regex"})
IP_TREE = Fields(f"{XDS}.IPMatcher", {"range_matchers"})
IP_RANGE = Fields(f"{XDS}.IPMatcher.IPRangeMatcher", {"ranges", "on_match", "exclusive"})
IP = Fields("envoy.extensions.matching.input_matchers.ip.v3.Ip", {"cidr_ranges"}, described={"stat_prefix"})
HEADER = Fields("envoy.type.matcher.v3.HttpRequestHeaderMatchInput", {"header_name"})
QUERY = Fields("envoy.type.matcher.v3.HttpRequestQueryParamMatchInput", {"query_param"})
FILTER_STATE = Fields(f"{NETWORK}.FilterStateInput", {"key"})
VARIABLE = Fields("envoy.extensions.matching.common_inputs.environment_variable.v3.Config", {"name"})
INPUTS: dict[str, tuple[str, str]] = {
    HEADER.message: ("header", "header_name"),
    QUERY.message: ("query", "query_param"),
    FILTER_STATE.message: ("filter_state", "key"),
    VARIABLE.message: ("text", "name"),
    f"{NETWORK}.SourceIPInput": ("source_ip", ""),
    f"{NETWORK}.DirectSourceIPInput": ("direct_source_ip", ""),
    f"{NETWORK}.DestinationIPInput": ("destination_ip", ""),
    f"{NETWORK}.SourcePortInput": ("source_port", ""),
    f"{NETWORK}.DestinationPortInput": ("destination_port", ""),
    f"{NETWORK}.ServerNameInput": ("server_name", ""),
    f"{NETWORK}.TransportProtocolInput": ("transport_protocol", ""),
    f"{NETWORK}.ApplicationProtocolInput": ("application_protocol", ""),
    f"{NETWORK}.SourceTypeInput": ("source_type", ""),
}
OF_REQUESTS = {"header": "request header", "query": "query parameter"}
DEPTH_MAX = 32

Action = Callable[[Any, str], int]  # (TypedExtensionConfig, path) to the action's number


def lower(message: Any, low: Lowering, path: str, action: Action, depth: int = 0) -> spec.MatchTree:
    TREE.check(message, low.report, path)
    if depth == DEPTH_MAX:
        low.refuse(path, f"nested deeper than {DEPTH_MAX} matchers")
        return spec.MatchTree("list")
    otherwise = None
    if message.HasField("on_no_match"):
        otherwise = _on_match(message.on_no_match, low, join(path, "on_no_match"), action, depth)
    if message.WhichOneof("matcher_type") == "matcher_tree":
        return _map(message.matcher_tree, low, join(path, "matcher_tree"), action, depth, otherwise)
    at = join(path, "matcher_list")
    LIST.check(message.matcher_list, low.report, at)

    def field(item: Any, here: str) -> tuple[spec.Predicate, spec.OnMatch]:
        FIELD.check(item, low.report, here)
        found = _predicate(item.predicate, low, join(here, "predicate"), depth)
        return found, _on_match(item.on_match, low, join(here, "on_match"), action, depth)

    return spec.MatchTree("list", fields=each(message.matcher_list.matchers, join(at, "matchers"), field), otherwise=otherwise)


def refuse_requests(tree: spec.MatchTree, low: Lowering, path: str) -> None:
    """For a tree that is asked before there is a request."""
    for kind in sorted(set(_kinds(tree)) & OF_REQUESTS.keys()):
        low.refuse(path, f"a connection has no {OF_REQUESTS[kind]} that a matcher could look at")


def _kinds(tree: spec.MatchTree | None) -> Iterator[str]:
    """What all inputs of a tree look at."""
    if tree is None:
        return
    branches = [branch for _, branch in tree.fields] + [branch for _, branch in tree.entries] + [one[2] for one in tree.ranges]
    if tree.input is not None:
        yield tree.input.kind
    waiting = [predicate for predicate, _ in tree.fields]
    while waiting:
        predicate = waiting.pop()
        waiting.extend(predicate.parts)
        if predicate.input is not None:
            yield predicate.input.kind
    for branch in branches if tree.otherwise is None else [*branches, tree.otherwise]:
        yield from _kinds(branch.tree)


def _on_match(message: Any, low: Lowering, path: str, action: Action, depth: int) -> spec.OnMatch:
    ON_MATCH.check(message, low.report, path)
    if message.WhichOneof("on_match") == "matcher":
        tree = lower(message.matcher, low, join(path, "matcher"), action, depth + 1)
        return spec.OnMatch(tree=tree, keep_matching=message.keep_matching)
    return spec.OnMatch(action=action(message.action, join(path, "action")), keep_matching=message.keep_matching)


def _predicate(message: Any, low: Lowering, path: str, depth: int) -> spec.Predicate:
    PREDICATE.check(message, low.report, path)
    kind = message.WhichOneof("match_type")
    if depth == DEPTH_MAX:
        low.refuse(path, f"nested deeper than {DEPTH_MAX}")
        return spec.Predicate("and")
    if kind == "single_predicate":
        return _single(message.single_predicate, low, join(path, kind))
    if kind == "not_matcher":
        return spec.Predicate("not", parts=(_predicate(message.not_matcher, low, join(path, kind), depth + 1),))
    parts = message.or_matcher if kind == "or_matcher" else message.and_matcher
    at = join(path, kind or "and_matcher")
    PARTS.check(parts, low.report, at)
    inner = each(parts.predicate, join(at, "predicate"), lambda item, here: _predicate(item, low, here, depth + 1))
    return spec.Predicate("or" if kind == "or_matcher" else "and", parts=inner)


def _single(message: Any, low: Lowering, path: str) -> spec.Predicate:
    SINGLE.check(message, low.report, path)
    seen = _input(message.input, low, join(path, "input"))
    if message.WhichOneof("matcher") == "value_match":
        return spec.Predicate("string", seen, string=_string(message.value_match, low, join(path, "value_match")))
    at = join(path, "custom_match.typed_config")
    config, table = low.unpack(message.custom_match.typed_config, at, {IP.message: IP}, "a matcher of an input")
    if config is None:
        return spec.Predicate("and")
    table.check(config, low.report, at)
    found = each(config.cidr_ranges, join(at, "cidr_ranges"), lambda item, here: address.lower_cidr(item, low, here))
    return spec.Predicate("ip", seen, ranges=found)


def _string(message: Any, low: Lowering, path: str) -> spec.StringMatch:
    STRING.check(message, low.report, path)
    kind = message.WhichOneof("match_pattern") or "exact"
    if kind != "safe_regex":
        return spec.StringMatch(kind, "" if kind == "custom" else getattr(message, kind), message.ignore_case)
    at = join(path, kind)
    REGEX.check(message.safe_regex, low.report, at)
    if text := matcher.regex_problem(message.safe_regex.regex):
        low.refuse(join(at, "regex"), f"{message.safe_regex.regex!r} is not accepted by RE2: {text}")
        return spec.StringMatch("exact", "")
    return spec.StringMatch("regex", message.safe_regex.regex)


def _input(message: Any, low: Lowering, path: str) -> spec.TreeInput:
    at = join(path, "typed_config")
    config, found = low.unpack(message.typed_config, at, INPUTS, "an input of a match tree")
    if config is None:
        return spec.TreeInput("text")
    kind, field = found
    name = getattr(config, field) if field else ""
    if kind == "text":
        return spec.TreeInput(kind, name, os.environ.get(name))
    return spec.TreeInput(kind, name.lower() if kind == "header" else name)


def _map(
    message: Any, low: Lowering, path: str, action: Action, depth: int, otherwise: spec.OnMatch | None
) -> spec.MatchTree:
    MAP_TREE.check(message, low.report, path)
    seen = _input(message.input, low, join(path, "input"))
    kind = message.WhichOneof("tree_type")
    if kind == "custom_match":
        ranges = _ranges(message.custom_match, low, join(path, kind), action, depth)
        return spec.MatchTree("ip", seen, ranges=ranges, otherwise=otherwise)
    table = message.exact_match_map if kind == "exact_match_map" else message.prefix_match_map
    at = join(path, kind or "exact_match_map")
    MAP.check(table, low.report, at)
    entries = tuple(
        (key, _on_match(table.map[key], low, f'{join(at, "map")}["{key}"]', action, depth)) for key in sorted(table.map)
    )
    return spec.MatchTree("exact" if kind == "exact_match_map" else "prefix", seen, entries=entries, otherwise=otherwise)


def _ranges(message: Any, low: Lowering, path: str, action: Action, depth: int) -> tuple[Any, ...]:
    at = join(path, "typed_config")
    config, table = low.unpack(message.typed_config, at, {IP_TREE.message: IP_TREE}, "a custom map")
    if config is None:
        return ()
    table.check(config, low.report, at)
    found: list[Any] = []
    for index, item in enumerate(config.range_matchers):
        here = f"{join(at, 'range_matchers')}[{index}]"
        IP_RANGE.check(item, low.report, here)
        branch = _on_match(item.on_match, low, join(here, "on_match"), action, depth)
        for cidr in each(item.ranges, join(here, "ranges"), lambda one, place: address.lower_cidr(one, low, place)):
            found.append((cidr, item.exclusive, branch))
    return tuple(found)
