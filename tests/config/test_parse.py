"""A tree becomes a message: every scalar type, the JSON forms of well-known types, and a property over all of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap
from envoy.config.core.v3.base_pb2 import DataSource, Metadata, RuntimeDouble
from envoy.config.endpoint.v3.endpoint_components_pb2 import LocalityLbEndpoints
from envoy.config.route.v3.route_components_pb2 import HeaderMatcher, RouteAction
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from mesh.config import schema
from mesh.config.errors import Report
from mesh.config.parse import parse_into
from mesh.config.render import to_tree, to_yaml
from mesh.config.source import from_yaml


def parsed(message: Any, tree: Any) -> Any:
    report = Report()
    parse_into(message, tree, report)
    report.raise_if_any()
    return message


def refusal(message: Any, tree: Any) -> str:
    report = Report()
    parse_into(message, tree, report, "at")
    with pytest.raises(ValueError) as caught:
        report.raise_if_any()
    return str(caught.value)


@pytest.mark.parametrize("value", [5, "5", "5.0", "5e0", 5.0])
def test_whole_numbers_in_every_spelling(value: Any) -> None:
    assert parsed(LocalityLbEndpoints(), {"priority": value}).priority == 5
    assert parsed(LocalityLbEndpoints(), {"load_balancing_weight": value}).load_balancing_weight.value == 5


@pytest.mark.parametrize(("value", "number"), [(1, 1.0), ("1.5", 1.5), ("-2e3", -2000.0)])
def test_real_numbers_in_every_spelling(value: Any, number: float) -> None:
    assert parsed(RuntimeDouble(), {"default_value": value}).default_value == number
    assert "is not a number" in refusal(RuntimeDouble(), {"default_value": "many"})


@pytest.mark.parametrize(
    ("value", "seconds", "nanos"),
    [("3s", 3, 0), ("0.25s", 0, 250_000_000), ("-1.5s", -1, -500_000_000), ({"seconds": 2, "nanos": 7}, 2, 7)],
)
def test_durations(value: Any, seconds: int, nanos: int) -> None:
    found = parsed(RouteAction(), {"timeout": value}).timeout
    assert (found.seconds, found.nanos) == (seconds, nanos)


@pytest.mark.parametrize("value", ["3", "s", "3ms", 3, "1.0000000001s", "9999999999999s", {"second": 1}])
def test_what_is_no_duration(value: Any) -> None:
    assert "at.timeout" in refusal(RouteAction(), {"timeout": value})


@pytest.mark.parametrize(("value", "content"), [("AAE=", b"\0\1"), ("AAE", b"\0\1"), ("_-8=", b"\xff\xef")])
def test_bytes_are_base64_with_or_without_padding(value: str, content: bytes) -> None:
    assert parsed(DataSource(), {"inline_bytes": value}).inline_bytes == content
    assert "is not base64" in refusal(DataSource(), {"inline_bytes": "*"})


def test_null_is_not_set() -> None:
    assert parsed(HeaderMatcher(), {"name": None, "exact_match": None}) == HeaderMatcher()
    assert "'inline_string' is set as well" in refusal(DataSource(), {"inline_string": "a", "filename": "b"})
    assert parsed(DataSource(), {"inline_string": "a", "filename": None}).inline_string == "a"


def test_a_struct_takes_every_yaml_value() -> None:
    tree = {"filter_metadata": {"a": {"n": None, "b": True, "i": 1, "t": "x", "l": [1, [2]], "m": {"k": {}}}}}
    assert to_tree(parsed(Metadata(), tree)) == tree


def test_an_any_opens_to_its_type() -> None:
    tree = {"typed_config": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1.5s"}}
    from envoy.config.core.v3.extension_pb2 import TypedExtensionConfig

    message = parsed(TypedExtensionConfig(), tree)
    assert to_tree(message) == tree
    assert "'@type' belongs here" in refusal(TypedExtensionConfig(), {"typed_config": {"x": 1}})
    assert "no message of Envoy's API" in refusal(TypedExtensionConfig(), {"typed_config": {"@type": "os.path.Join"}})


@pytest.mark.parametrize(
    "name",
    [
        "os.Path",
        "mesh.cli.Verbs",
        "envoy",
        "envoy.config.route.v3",
        "envoy.config.route.v3.Nothing",
        "../x.Y",
        "envoy.no.v3.X",
    ],
)
def test_only_messages_of_the_public_api_are_ever_imported(name: str) -> None:
    assert schema.message_class(name) is None


def test_a_nested_message_is_found_by_its_full_name() -> None:
    found = schema.message_class("envoy.config.route.v3.RouteAction.UpgradeConfig")
    assert found is not None and found.DESCRIPTOR.name == "UpgradeConfig"


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
NUMBER = st.integers(0, 2**32 - 1)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
NODE = st.fixed_dictionaries(
    {},
    optional={
        "id": TEXT,
        "cluster": TEXT,
        "metadata": st.dictionaries(TEXT, VALUE, max_size=3),
        "locality": st.fixed_dictionaries({}, optional={"zone": TEXT}),
        "client_features": st.lists(TEXT, max_size=2),
    },
)


@given(NODE, st.integers(0, 10**6), NUMBER)
def test_json_yaml_and_protobufs_own_reader_agree(node: dict[str, Any], millis: int, weight: int) -> None:
    tree = {
        "node": node,
        "stats_flush_interval": f"{millis / 1000:.3f}s",
        "static_resources": {"clusters": [{"name": "c", "max_requests_per_connection": weight}]},
    }
    ours = parsed(Bootstrap(), tree)
    assert ours == json_format.ParseDict(json.loads(json.dumps(tree)), Bootstrap())
    assert parsed(Bootstrap(), to_tree(ours)) == ours
    assert parsed(Bootstrap(), from_yaml(to_yaml(to_tree(ours)), "f").tree) == ours
