"""YAML is read as Envoy reads it, and paths find their lines again."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.config import ConfigError
from mesh.config.yaml_tree import Lines, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("y", True), ("Yes", True), ("ON", True), ("true", True),
        ("n", False), ("No", False), ("off", False), ("FALSE", False),
        ("yEs", "yEs"), ("'n'", "n"), ('"true"', "true"),
        ("~", None), ("null", None), ("", None), ("'~'", "~"),
        ("7", 7), ("-7", -7), ("+7", 7), ("012", 10), ("09", "09"), ("0x1F", 31), ("1_000", "1_000"),
        ("1.5", "1.5"), ("1e3", "1e3"), ("2001-01-01", "2001-01-01"), ("3s", "3s"), ("12:30", "12:30"),
        ("|\n  a\n  b", "a\nb\n"), (">\n  n", "n\n"),
    ],
)  # fmt: skip
def test_scalars_follow_envoys_reader(text: str, value: Any) -> None:
    found = parse(f"key: {text}\n", "f")["key"]
    assert (type(found), found) == (type(value), value)


def test_anchors_aliases_and_ignored_keys() -> None:
    assert parse("!ignore base: &b {a: 1}\nuse: *b\nlist: &l [1]\nagain: *l\ntext: &t x\nmore: *t\n", "f") == {
        "use": {"a": 1}, "list": [1], "again": [1], "text": "x", "more": "x"
    }  # fmt: skip


def test_tags_of_yaml_itself_change_nothing_but_make_text() -> None:
    text = "a: !!str 5\nb: !!int 5\nc: ! 5\nd: !!map {!!str e: 1}\nf: !!seq [1]\ng: !!null ~\n"
    assert parse(text, "f") == {"a": "5", "b": "5", "c": "5", "d": {"e": 1}, "f": [1], "g": "~"}


def test_a_merge_key_is_a_plain_key() -> None:
    assert parse("a: {<<: {b: 1}}", "f") == {"a": {"<<": {"b": 1}}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\n---\nb: 2\n", "f:2: a second document starts here; only one is read"),
        ("a: 1\na: 2\n", "f:2: the key 'a' stands twice in this mapping"),
        ("a: *b\n", "f:1: no value before this one has the name *b"),
        ("a: &b {c: *b}\n", "f:1: no value before this one has the name *b"),
        ("a: 1\nb: !!python/object/apply:os.system [id]\n", "f:2: the tag !!python/object/apply:os.system is not known"),
        ("a: {b: [!Ref c]}\n", "f:1: the tag !Ref is not known here; write the value without it"),
        ("a: !!binary aGk=\n", "f:1: the tag !!binary is not known"),
        ("a: !ignore b\n", "f:1: the tag !ignore is not known"),
        ("!Ref a: b\n", "f:1: the tag !Ref is not known"),
        ("a: b\nc: \"\x01\"\n", "f:2: not valid YAML: the character #x0001 may not stand in it"),
        ("ä: ö\nc: \x07\n", "f:2: not valid YAML: the character #x0007 may not stand in it"),
        ("? [a]\n: 1\n", "f:1: a key must be text"),
        (
            "a: *.com\n",
            "f:1: not valid YAML: did not find expected alphabetic or numeric character (a value that begins",
        ),
        ("a: [1\nb: 2\n", "f:2: not valid YAML: did not find expected ',' or ']'"),
        ("a: \tb: c\n", "f:1: not valid YAML: "),
    ],
)
def test_what_cannot_be_read_names_its_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "f")
    assert str(caught.value).startswith(message)


def test_nothing_is_no_tree() -> None:
    assert parse("", "f") is None
    assert parse("# only a comment\n", "f") is None


TEXT = """\
one:
  two:
  - three: 3
  - {four: [4,
      5]}
camelCase:
  "a.b": 6
single: {x: 7}
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("one", 1),
        ("one.two[0].three", 3),
        ("one.two[1].four[1]", 5),
        ("camel_case", 6),
        ('camel_case["a.b"]', 7),
        ("single[0].x", 8),
    ],
)
def test_a_path_finds_its_line(path: str, line: int) -> None:
    assert Lines(TEXT).find(path) == (line, True)


@pytest.mark.parametrize(("path", "line"), [("one.two[7]", 2), ("one.none.more", 1), ("nowhere", 0)])
def test_a_path_that_is_not_there_finds_the_deepest_part_that_is(path: str, line: int) -> None:
    assert Lines(TEXT).find(path) == (line, False)


def test_text_that_does_not_parse_has_no_lines() -> None:
    assert Lines("a: [").find("a") == (0, False)
