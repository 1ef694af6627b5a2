"""Conditions upon the stream: the client's certificate, dynamic metadata, filter state."""

from __future__ import annotations

from typing import Any

import pytest

from meshcore.bind.route_face import RouteTableFace
from meshcore.bind.spec import FilterStateMatch, MetadataMatch, RouteMatch, StringMatch, ValueMatch
from tests.route.same_route import one_host

STREAM = {
    "metadata": {"ns": {"text": "abc", "n": 1.5, "yes": True, "none": None, "list": [1, "x"], "deep": {"k": "v"}}},
    "filter_state": {"user": "joe", "ip": "10.1.2.3", "ip6": "fd00::1"},
}


def holds(stream: dict[str, Any], **conditions: Any) -> bool:
    face = RouteTableFace(one_host([RouteMatch("prefix", "/", **conditions), RouteMatch("prefix", "/")]))
    found = face.find("a", "/", stream=stream)
    assert found is not None
    return found.index == 0


def metadata_holds(path: str, value: ValueMatch, invert: bool = False, namespace: str = "ns") -> bool:
    return holds(STREAM, metadata=(MetadataMatch(namespace, tuple(path.split(".")), value, invert),))


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("text", ValueMatch("string", string=StringMatch("exact", "abc")), True),
        ("text", ValueMatch("string", string=StringMatch("exact", "abcd")), False),
        ("n", ValueMatch("string", string=StringMatch("prefix", "1")), False),
        ("n", ValueMatch("number", start=1.5), True),
        ("n", ValueMatch("number", start=1.0), False),
        ("text", ValueMatch("number", start=0.0), False),
        ("n", ValueMatch("range", start=1.5, end=1.6), True),
        ("n", ValueMatch("range", start=1.0, end=1.5), False),
        ("yes", ValueMatch("bool", flag=True), True),
        ("yes", ValueMatch("bool", flag=False), False),
        ("n", ValueMatch("bool", flag=True), False),
        ("none", ValueMatch("null"), True),
        ("text", ValueMatch("null"), False),
        ("absent", ValueMatch("null"), False),
        ("none", ValueMatch("present", flag=True), True),
        ("absent", ValueMatch("present", flag=True), False),
        ("text", ValueMatch("present", flag=False), False),
        ("absent", ValueMatch("present", flag=False), False),
        ("list", ValueMatch("any_item", parts=(ValueMatch("number", start=1.0),)), True),
        ("list", ValueMatch("any_item", parts=(ValueMatch("number", start=2.0),)), False),
        ("text", ValueMatch("any_item", parts=(ValueMatch("string", string=StringMatch("exact", "abc")),)), False),
        ("n", ValueMatch("any_of", parts=(ValueMatch("null"), ValueMatch("number", start=1.5))), True),
        ("n", ValueMatch("any_of", parts=(ValueMatch("null"), ValueMatch("bool"))), False),
        ("deep.k", ValueMatch("string", string=StringMatch("exact", "v")), True),
        ("deep", ValueMatch("present", flag=True), True),
        ("text.k", ValueMatch("present", flag=True), False),
    ],
)
def test_values_of_metadata(path: str, value: ValueMatch, expected: bool) -> None:
    assert metadata_holds(path, value) is expected
    assert metadata_holds(path, value, invert=True) is not expected


def test_a_namespace_that_nobody_wrote_has_no_values() -> None:
    assert not metadata_holds("text", ValueMatch("present", flag=True), namespace="other")
    assert metadata_holds("text", ValueMatch("present", flag=True), invert=True, namespace="other")


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (FilterStateMatch("user", string=StringMatch("suffix", "oe")), True),
        (FilterStateMatch("user", string=StringMatch("exact", "jo")), False),
        (FilterStateMatch("absent", string=StringMatch("prefix", "")), False),
        (FilterStateMatch("ip", ranges=(("192.168.0.0", 16), ("10.0.0.0", 8))), True),
        (FilterStateMatch("ip", ranges=(("10.1.2.0", 31),)), False),
        (FilterStateMatch("ip", ranges=(("fd00::", 8),)), False),
        (FilterStateMatch("ip6", ranges=(("fd00::", 8),)), True),
        (FilterStateMatch("user", ranges=(("0.0.0.0", 0),)), False),
    ],
)
def test_filter_state(match: FilterStateMatch, expected: bool) -> None:
    assert holds(STREAM, filter_state=(match,)) is expected


def test_the_clients_certificate() -> None:
    plain: dict[str, Any] = {}
    shown = {"peer_presented": True}
    verified = {"peer_presented": True, "peer_validated": True}
    assert [holds(one, tls_presented=True) for one in (plain, shown, verified)] == [False, True, True]
    assert [holds(one, tls_presented=False) for one in (plain, shown, verified)] == [True, False, False]
    assert [holds(one, tls_validated=True) for one in (plain, shown, verified)] == [False, False, True]
    assert [holds(one, tls_presented=True, tls_validated=False) for one in (plain, shown, verified)] == [False, True, False]


def test_all_conditions_have_to_hold() -> None:
    metadata = (MetadataMatch("ns", ("yes",), ValueMatch("bool", flag=True)), MetadataMatch("ns", ("n",), ValueMatch("null")))
    assert not holds(STREAM, metadata=metadata)
    assert holds(STREAM, metadata=metadata[:1], filter_state=(FilterStateMatch("user", string=StringMatch("exact", "joe")),))
