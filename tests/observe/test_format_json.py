"""JSON formats: types, missing values, order, escapes. The expected lines were printed by Envoy 1.40 for the same
tree.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshcore.bind.format import Formatter
from meshcore.bind.numbers import general, shortest
from tests.observe.facts import proxied, request

TREE: dict[str, object] = {
    "b": 1,
    "a": 1.5,
    "Z": True,
    "nul": None,
    "n": {"y": "%DURATION%", "x": ["%RESPONSE_CODE%", "lit", 2, None, {"q": "%REQ(nope)%"}, "%REQ(nope)%"]},
    "empty": "",
    "e2": {},
    "e3": [],
    "mix": "a-%REQ(nope)%-%RESPONSE_CODE%",
    "neg": -3,
    'ké"': 'lit é "q" \\ / <b> \x7f\x01\n\t',
    "pct": "%%",
    "pct2": "100%% %REQ(:method)%",
    "missing_sub": {"a": "%REQ(nope)%"},
    "lbody": "%LOCAL_REPLY_BODY%",
    "two": "%REQ(:method)%%REQ(nope)%",
    "flags": "%RESPONSE_FLAGS%",
}


def line(tree: object, omit_empty: bool = False, **changes: object) -> str:
    return Formatter(tree, omit_empty).write(proxied(**changes)).decode()


def test_keys_are_sorted_and_values_keep_their_types() -> None:
    assert line(TREE, status=201) == (
        '{"Z":true,"a":1.5,"b":1,"e2":{},"e3":[],"empty":"","flags":"-",'
        '"ké\\"":"lit é \\"q\\" \\\\ / <b> \x7f\\u0001\\n\\t","lbody":"",'
        '"missing_sub":{"a":null},"mix":"a---201","n":{"x":[201,"lit",2,null,{"q":null},null],"y":7},"neg":-3,"nul":null,'
        '"pct":"%","pct2":"100% GET","two":"GET-"}\n'
    )


def test_left_out_values_take_their_keys_and_empty_objects_with_them() -> None:
    assert line(TREE, True, status=201) == (
        '{"Z":true,"a":1.5,"b":1,"e3":[],"empty":"","flags":"-",'
        '"ké\\"":"lit é \\"q\\" \\\\ / <b> \x7f\\u0001\\n\\t","lbody":"",'
        '"mix":"a--201","n":{"x":[201,"lit",2],"y":7},"neg":-3,"pct":"%","pct2":"100% GET","two":"GET"}\n'
    )


def test_a_tree_of_which_nothing_is_left_is_an_empty_object() -> None:
    assert line({"a": "%REQ(nope)%", "b": {"c": {"d": "%REQ(nope)%"}}}, True) == "{}\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (1.5, "1.5"),
        (1e20, "1e+20"),
        (12345678901234567, "12345678901234568"),
        (0.1, "0.1"),
        (1e-7, "1e-07"),
        (100000, "1e+05"),
        (300000.5, "300000.5"),
        (1000, "1000"),
        (1e15, "1e+15"),
        (123456000, "123456000"),
        (0.00001, "1e-05"),
        (0.001, "0.001"),
        (10000000, "1e+07"),
        (0, "0"),
        (-2.5, "-2.5"),
        (-1e30, "-1e+30"),
    ],
)
def test_numbers_of_the_tree_are_printed_as_doubles(value: float, text: str) -> None:
    assert line({"k": value}) == f'{{"k":{text}}}\n'


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_doubles_read_back_as_they_were(value: float) -> None:
    assert float(shortest(value)) == value
    assert float(general(value)) == value
    assert len(shortest(value)) <= len(repr(value))


def test_a_number_from_the_stream_is_an_integer() -> None:
    assert line({"k": "%BYTES_SENT%"}, bytes_sent=100000) == '{"k":100000}\n'
    grpc = request(headers=[("content-type", "application/grpc")])
    assert (
        line({"k": "%GRPC_STATUS_NUMBER%"}, request=grpc, trailers={"headers": [("grpc-status", "x")]}) == '{"k":-1}\n'
    )


def test_valid_utf8_is_kept_and_other_bytes_become_code_points() -> None:
    def header(value: bytes, text: str = "%REQ(x)%") -> str:
        return line({"k": text}, request=request(headers=[("x", value)]))

    assert header("é€😀".encode()) == '{"k":"é€😀"}\n'
    assert header(b"\xe9\xc3\xa9\x80z") == '{"k":"\\u00e9\\u00c3\\u00a9\\u0080z"}\n'
    assert header(b"\xe9", 'é"%REQ(x)%') == '{"k":"é\\"\\u00e9"}\n'
    assert header("é".encode(), "%REQ(x):1%") == '{"k":"\\u00c3"}\n'
    assert header(b"\xed\xa0\x80") == '{"k":"\\u00ed\\u00a0\\u0080"}\n'
    assert header(b"\xc0\x80\xf4\x90\x80\x80") == '{"k":"\\u00c0\\u0080\\u00f4\\u0090\\u0080\\u0080"}\n'


@given(st.binary(max_size=40))
def test_any_bytes_make_valid_json(value: bytes) -> None:
    facts = proxied(request=request(headers=[("x", value)]))
    written = json.loads(Formatter({"k": "%REQ(x)%", "l": ["<%REQ(x)%>"]}).write(facts))
    try:
        expected = value.decode()
    except UnicodeDecodeError:
        expected = value.decode("latin-1")
    assert written == {"k": expected, "l": [f"<{expected}>"]}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=6).map(lambda t: t.replace("%", "%%")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def plain(node: object) -> object:
    """What the tree says when its formats hold no operators and its numbers are doubles."""
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(value) for value in node]
    if isinstance(node, str):
        return node.replace("%%", "%")
    return float(node) if isinstance(node, int) and not isinstance(node, bool) else node


@given(st.dictionaries(st.text(max_size=4), VALUES, max_size=4))
def test_a_tree_without_operators_comes_out_as_it_went_in(tree: dict[str, object]) -> None:
    assert json.loads(Formatter(tree).write({}), parse_int=float) == plain(tree)
