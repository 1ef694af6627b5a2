"""envoy.extensions.filters.http.header_mutation.v3: HeaderMutation and HeaderMutationPerRoute.

Query parameters are named as they are decoded. Called by native_filter.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config import format as formats
from mesh.config import header_mutation, matcher
from mesh.config.errors import join
from mesh.config.fields import Fields, anything
from mesh.config.lowering import Lowering, each
from meshcore.bind import filter_spec, spec

PACKAGE = "envoy.extensions.filters.http.header_mutation.v3"
FILTER = Fields(f"{PACKAGE}.HeaderMutation", {"mutations", "most_specific_header_mutations_wins"})
PER_ROUTE = Fields(f"{PACKAGE}.HeaderMutationPerRoute", {"mutations"})
MUTATIONS = Fields(
    f"{PACKAGE}.Mutations",
    {
        "request_mutations",
        "response_mutations",
        "request_trailers_mutations",
        "response_trailers_mutations",
        "query_parameter_mutations",
    },
)
PARAMETER = Fields("envoy.config.core.v3.KeyValueMutation", {"append", "remove"})
APPEND = Fields("envoy.config.core.v3.KeyValueAppend", {"record", "action"}, harmless={"entry": anything})
RECORD = Fields("envoy.config.core.v3.KeyValuePair", {"key", "value"})
ACTIONS = ("append", "add_if_absent", "overwrite", "overwrite_if_exists")
CHANGE = "envoy.config.common.mutation_rules.v3.HeaderMutation"
ON_MATCH = Fields(f"{CHANGE}.RemoveOnMatch", {"key_matcher"})


def lower(message: Any, low: Lowering, path: str) -> filter_spec.HeaderMutations:
    FILTER.check(message, low.report, path)
    return _lower(message.mutations, low, join(path, "mutations"), message.most_specific_header_mutations_wins)


def lower_per_route(message: Any, low: Lowering, path: str) -> filter_spec.HeaderMutations:
    PER_ROUTE.check(message, low.report, path)
    return _lower(message.mutations, low, join(path, "mutations"), False)


def _lower(message: Any, low: Lowering, path: str, wins: bool) -> filter_spec.HeaderMutations:
    MUTATIONS.check(message, low.report, path)

    def changes(name: str, *, response: bool) -> tuple[filter_spec.HeaderChange, ...]:
        return each(getattr(message, name), join(path, name), lambda item, at: _change(item, low, at, response))

    return filter_spec.HeaderMutations(
        request=changes("request_mutations", response=False),
        response=changes("response_mutations", response=True),
        request_trailers=changes("request_trailers_mutations", response=False),
        response_trailers=changes("response_trailers_mutations", response=True),
        query=each(message.query_parameter_mutations, join(path, "query_parameter_mutations"), lambda item, at: _parameter(item, low, at)),
        most_specific_wins=wins,
    )


def _parameter(message: Any, low: Lowering, path: str) -> filter_spec.QueryChange:
    PARAMETER.check(message, low.report, path)
    if message.HasField("append") == bool(message.remove):
        low.refuse(path, "exactly one of 'append' and 'remove' is required")
    if message.remove:
        return filter_spec.QueryChange(message.remove, action="remove")
    at = join(path, "append")
    APPEND.check(message.append, low.report, at)
    RECORD.check(message.append.record, low.report, join(at, "record"))
    value = message.append.record.value
    if value.WhichOneof("kind") != "string_value":
        low.refuse(join(at, "record.value"), "a string is required")
    formats.check_text(value.string_value, low, join(at, "record.value"))
    return filter_spec.QueryChange(message.append.record.key, value.string_value, ACTIONS[message.append.action])


def _change(message: Any, low: Lowering, path: str, response: bool) -> filter_spec.HeaderChange:
    kind = message.WhichOneof("action")
    if kind == "remove_on_match":
        at = join(path, kind)
        ON_MATCH.check(message.remove_on_match, low.report, at)
        names = matcher.lower_string(message.remove_on_match.key_matcher, low, join(at, "key_matcher"))
        return filter_spec.HeaderChange(remove_on_match=names)
    if kind == "append":
        add = header_mutation.lower_add([message.append], low, join(path, kind))
        mutation = spec.HeaderMutation(response_add=add) if response else spec.HeaderMutation(request_add=add)
        return filter_spec.HeaderChange(mutation)
    name = (message.remove.lower(),)
    mutation = spec.HeaderMutation(response_remove=name) if response else spec.HeaderMutation(request_remove=name)
    return filter_spec.HeaderChange(mutation)
