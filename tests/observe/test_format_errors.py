"""Formats that are refused, and what the refusal says: the operator, what is wrong, what would be accepted."""

from __future__ import annotations

import pytest

from meshcore.bind.format import check, check_json


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("%DURATIN%", "unknown operator DURATIN: did you mean DURATION?"),
        ("%UPSTREAM_HOSTS%", "unknown operator UPSTREAM_HOSTS: did you mean UPSTREAM_HOST?"),
        ("%QQQQQQQQ%", "unknown operator QQQQQQQQ"),
        ("%CEL(request.path)%", "CEL is not supported"),
        ("%REQ%", "REQ requires an argument in parentheses"),
        ("%REQ()%", "REQ requires an argument in parentheses"),
        ("%REQ(a?b?c)%", 'more than one alternative header in "a?b?c"'),
        ("%REQ(a b)%", 'not a header name: "a b"'),
        ("%REQ(x(a)%", 'not a header name: "x(a"'),
        ("%PROTOCOL(a)%", "PROTOCOL takes no argument"),
        ("%PROTOCOL:3%", "PROTOCOL takes no length"),
        ("%START_TIME(%Y):3%", "START_TIME takes no length"),
        ("%START_TIME(%n)%", "START_TIME: the time pattern contains a newline"),
        ("%START_TIME(%_3En)%", "START_TIME: the time pattern contains a newline"),
        ("%COMMON_DURATION(a)%", "COMMON_DURATION(a): expected START:END or START:END:ms|us|ns"),
        ("%COMMON_DURATION(a:b:s)%", 'COMMON_DURATION: unknown precision "s": expected ms, us or ns'),
        ("%PATH(x)%", 'PATH: unknown option "x": expected WQ (with query) or NQ (no query)'),
        ("%PATH(NQ:x)%", 'PATH: unknown source "x": expected ORIG, PATH or ORIG_OR_PATH'),
        ("%QUERY_PARAMS(x)%", 'QUERY_PARAMS: unknown option "x": expected ORIG or DECODED'),
        ("%GRPC_STATUS(x)%", 'GRPC_STATUS: unknown form "x": expected CAMEL_STRING, SNAKE_STRING or NUMBER'),
        ("%XFCC_VALUE(x)%", 'XFCC_VALUE: unknown element "x": expected by, hash, cert, chain, subject, uri or dns'),
        ("%FILTER_STATE(:PLAIN)%", 'FILTER_STATE: the key is empty in ":PLAIN"'),
        ("%FILTER_STATE(a:FOO)%", 'FILTER_STATE: unknown form "FOO": expected PLAIN, TYPED or FIELD:NAME'),
        ("%FILTER_STATE(a:FIELD)%", 'FILTER_STATE: a field name belongs to FIELD and to nothing else in "a:FIELD"'),
        ("%COALESCE(a)%", 'COALESCE: not valid JSON at "a"'),
        ("%COALESCE({})%", 'COALESCE: the JSON must have an array "operators"'),
        ('%COALESCE({"operators":[]})%', 'COALESCE: "operators" must not be empty'),
        ('%COALESCE({"operators":"A"})%', 'COALESCE: "operators" must be an array'),
        ('%COALESCE({"operators":[1]})%', 'COALESCE: each of "operators" must be a name or an object with "command"'),
        ('%COALESCE({"operators":["FOO"]})%', "unknown operator FOO"),
        ('%COALESCE({"operators":["REQ"]})%', "REQ requires an argument in parentheses"),
        ('%COALESCE({"operators":[{"param":"x"}]})%', 'COALESCE: an object in "operators" must have "command"'),
        (
            '%COALESCE({"operators":[{"command":"REQ","param":"x","max_length":0}]})%',
            'COALESCE: "max_length" must be a positive integer',
        ),
    ],
)
def test_the_complaint_names_the_operator_and_the_way_out(text: str, complaint: str) -> None:
    assert check(text) == complaint
    assert check(f"before {text} after") == complaint


@pytest.mark.parametrize(
    "text", ["%", "% %", "100%", "%REQ(x-a)", "%dURATION%", "%REQ(x-a):%", "%REQ(x-a):5 %", "%REQ(x\n)%", "%()%"]
)
def test_what_is_no_operator_is_refused_where_it_begins(text: str) -> None:
    complaint = check(text)
    assert complaint is not None
    assert complaint.startswith(f'no valid operator at "{text[text.index("%") :]}')


def test_an_unknown_metadata_source_lists_the_known_ones() -> None:
    complaint = check("%METADATA(UPSTREAM:a)%")
    assert complaint is not None
    assert "UPSTREAM_HOST" in complaint


def test_a_complaint_about_json_names_the_path() -> None:
    tree = {"a": {"b": ["%DURATION%", {"c": "%X%"}]}}
    assert check_json(tree) == "a.b[1].c: unknown operator X"
    assert check_json({"a": "%PROTOCOL%", "n": 1, "t": True, "z": None}) is None


def test_nesting_is_limited() -> None:
    tree: object = "x"
    for _ in range(40):
        tree = {"d": tree}
    complaint = check_json(tree)
    assert complaint is not None
    assert complaint.endswith("nested too deep, or too many operators")


def test_a_format_with_very_many_operators_is_refused_not_cut() -> None:
    assert check("%PROTOCOL%-" * 2000) is None
    assert check("%PROTOCOL%-" * 3000) == "the format has too many operators"
