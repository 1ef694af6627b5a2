"""YAML text to a plain tree, read the way Envoy reads YAML; and back from a field path to its line.

Envoy's reader is yaml-cpp followed by its own scalar rules, which differ from PyYAML's: bare y/n/yes/no/on/off are
booleans, integers may be octal (012) or hexadecimal, a decimal number stays text, a key tagged `!ignore` is dropped,
and `<<` is no merge. Unlike Envoy, a key that stands twice in one mapping is refused, and so is a tag that asks for something
(`!!python/object`, `!Ref`): one of the two, or the tag, would be ignored in silence.

`parse` builds the tree straight from libyaml's events (nodes would cost five times as much) and keeps no positions;
`Lines` composes the same text again, only when an error needs a line. Called by source.py, on the thread that loads.
"""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml._yaml import CParser

from mesh.config.errors import ConfigError, Problem

WORDS = {"y": True, "yes": True, "true": True, "on": True, "n": False, "no": False, "false": False, "off": False}
BOOLEANS = {form: value for word, value in WORDS.items() for form in (word, word.upper(), word.capitalize())}
NULLS = {"", "~", "null", "Null", "NULL"}
INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|[0-9]+)")
CORE = "tag:yaml.org,2002:"
TAGS = {None, "", "!", *(CORE + kind for kind in ("str", "int", "float", "bool", "null", "map", "seq"))}
TOKEN = re.compile(r"""\[(\d+)\]|\["([^"]*)"\]|([^.\[\]]+)""")


def parse(text: str, origin: str) -> Any:
    """The tree of the only document in `text`: dict, list, str, int, bool or None."""
    try:
        return _Builder(text, origin).document()
    except yaml.YAMLError as error:
        raise ConfigError([_syntax_problem(error, text, origin)]) from None


def scalar(text: str) -> Any:
    """The value of a plain (unquoted) scalar."""
    if text in NULLS:
        return None
    if text in BOOLEANS:
        return BOOLEANS[text]
    if INTEGER.fullmatch(text):
        digits = text.lstrip("+-")
        if digits[:2] in ("0x", "0X"):
            number = int(digits, 16)
        elif digits[0] == "0" and len(digits) > 1:
            if not set(digits) <= set("01234567"):
                return text
            number = int(digits, 8)
        else:
            number = int(digits)
        return -number if text[0] == "-" else number
    return text


def _syntax_problem(error: yaml.YAMLError, text: str, origin: str) -> Problem:
    if isinstance(error, yaml.reader.ReaderError):
        line = text.encode()[: error.position].count(b"\n") + 1
        return Problem("", f"not valid YAML: the character #x{error.character:04x} may not stand in it", origin, line)
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error)
    if "alias" in str(error):
        what += " (a value that begins with * needs quotes)"
    return Problem("", f"not valid YAML: {what}", origin, mark.line + 1 if mark else 0)


class _Builder:
    """One pass over the events of one text."""

    def __init__(self, text: str, origin: str) -> None:
        self._next = CParser(text).get_event
        self._origin = origin
        self._anchors: dict[str, Any] = {}

    def document(self) -> Any:
        self._next()  # stream start
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None
        tree = self._value(self._next())
        self._next()  # document end
        after = self._next()
        if not isinstance(after, yaml.StreamEndEvent):
            self._refuse(after, "a second document starts here; only one is read")
        return tree

    def _refuse(self, event: yaml.Event, text: str) -> None:
        raise ConfigError([Problem("", text, self._origin, event.start_mark.line + 1)])

    def _refuse_tag(self, event: yaml.Event) -> None:
        tag = event.tag.replace(CORE, "!!")
        self._refuse(event, f"the tag {tag} is not known here; write the value without it")

    def _value(self, event: yaml.Event) -> Any:
        kind = type(event)
        if kind is not yaml.AliasEvent and event.tag not in TAGS:
            self._refuse_tag(event)
        if kind is yaml.ScalarEvent:
            value: Any = event.value
            if (event.style is None and event.tag is None) or event.style == "":
                value = scalar(value) if event.tag in (None, "") else value
        elif kind is yaml.MappingStartEvent:
            value = {}
            self._mapping(value)
        elif kind is yaml.SequenceStartEvent:
            value = []
            while type(item := self._next()) is not yaml.SequenceEndEvent:
                value.append(self._value(item))
        else:  # an alias
            if event.anchor not in self._anchors:
                self._refuse(event, f"no value before this one has the name *{event.anchor}")
            return self._anchors[event.anchor]
        if event.anchor:
            self._anchors[event.anchor] = value
        return value

    def _mapping(self, into: dict[str, Any]) -> None:
        while type(key := self._next()) is not yaml.MappingEndEvent:
            if type(key) is not yaml.ScalarEvent:
                self._refuse(key, "a key must be text")
            value = self._value(self._next())
            if key.tag == "!ignore":
                continue
            if key.tag not in TAGS:
                self._refuse_tag(key)
            if key.value in into:
                self._refuse(key, f"the key '{key.value}' stands twice in this mapping")
            into[key.value] = value


class _Composer(CParser):  # type: ignore[misc]
    """libyaml's composer without tag resolution: only positions matter here."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        return ""

    def descend_resolver(self, parent: Any, index: Any) -> None: ...

    def ascend_resolver(self) -> None: ...


class Lines:
    """Lines of the fields of one text; JSON works too, because JSON is YAML."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._root: yaml.Node | None = None

    def find(self, path: str) -> tuple[int, bool]:
        """(line of `path`, or of the deepest part of it that the text holds; whether all of it was found). 0 = no
        line."""
        if self._root is None:
            try:
                self._root = _Composer(self._text).get_single_node()
            except yaml.YAMLError:
                return 0, False
        node, line = self._root, 0
        for index, quoted, name in TOKEN.findall(path):
            step = _item(node, int(index)) if index else _entry(node, quoted or name)
            if step is None:
                return line, False
            line, node = step
        return line, True


def line_of_repeated_key(text: str) -> int:
    """Where the first key stands that its JSON object had before; 0 when there is none."""
    try:
        waiting = [_Composer(text).get_single_node()]
    except (yaml.YAMLError, RecursionError):
        return 0
    lines = []
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                if key.value in seen:
                    lines.append(key.start_mark.line + 1)
                seen.add(key.value)
                waiting.append(value)
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
    return min(lines, default=0)


def _item(node: yaml.Node | None, index: int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.SequenceNode):
        return (node.value[index].start_mark.line + 1, node.value[index]) if index < len(node.value) else None
    return (node.start_mark.line + 1, node) if node is not None and index == 0 else None


def _entry(node: yaml.Node | None, name: str) -> tuple[int, yaml.Node] | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    folded = name.replace("_", "").lower()
    alike = [(key, value) for key, value in node.value if key.value.replace("_", "").lower() == folded]
    for key, value in sorted(alike, key=lambda entry: bool(entry[0].value != name)):
        return key.start_mark.line + 1, value
    return None
