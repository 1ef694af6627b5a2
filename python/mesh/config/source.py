"""Where a configuration comes from: a file in one of five formats, a dict, or a message.

Decides the format (by extension, and by content where the extension says nothing), reads it, and remembers enough to
turn a field path back into a line. Envoy's own extensions: .yaml/.yml, .json, .pb, .pb_text. Called by `load` alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError, EncodeError, Message

from mesh.config import unknown, yaml_tree
from mesh.config.errors import ConfigError, Problem, Report, join
from mesh.config.parse import parse_into
from mesh.config.scalars import shown

if TYPE_CHECKING:
    from mesh.config.short.places import Places

TEXT_PROTO = {".pb_text", ".pbtxt", ".textproto", ".txtpb"}
BINARY_PROTO = {".pb", ".pb_bin"}
SHORT_KEYS = {"listen", "routes"}


class Source:
    """One read configuration: either `tree` (with `lines`) or bytes of a protobuf."""

    def __init__(self, origin: str, *, tree: Any = None, text: str | None = None, fill: Callable[[Message], None] | None = None):
        self.origin = origin
        self.tree = tree
        self._lines = yaml_tree.Lines(text) if text is not None else None
        self._fill = fill
        self.places: Places | None = None  # set once a short form has been expanded

    @property
    def short_form(self) -> bool:
        """Whether this is a `mesh.yaml`: it has a key of the short form that no bootstrap has."""
        return isinstance(self.tree, dict) and bool(SHORT_KEYS & set(self.tree))

    def merge_into(self, message: Message, report: Report) -> None:
        if self._fill is not None:
            self._fill(message)
        elif not isinstance(self.tree, dict):
            text = "is empty" if self.tree is None else f"a mapping belongs here, not {shown(self.tree)}"
            report.refuse("", text)
        else:
            try:
                parse_into(message, self.tree, report)
            except (RecursionError, EncodeError, DecodeError):  # what protobuf's own code says of messages a hundred deep
                raise too_deep(self.origin) from None

    def locate(self, path: str) -> tuple[int, bool, str]:
        """(line, whether the whole path was found, the path as the user wrote it); line 0 when there is none."""
        written = self.places.find(path) if self.places else path
        line, whole = self._lines.find(written) if self._lines and written else (0, False)
        return line, whole, written or path


def from_path(path: str | os.PathLike[str]) -> Source:
    """Reads a file; a file that cannot be read or decoded is a ConfigError."""
    origin = os.fspath(path)
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError([Problem("", f"cannot be read: {error.strerror}", origin)]) from None
    extension = Path(origin).suffix.lower()
    if extension in BINARY_PROTO:
        return Source(origin, fill=lambda message: _fill_binary(message, raw, origin))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError([Problem("", f"is not UTF-8 text: byte {error.start} is {raw[error.start]:#04x}", origin, line)]) from None
    if extension in TEXT_PROTO:
        return Source(origin, fill=lambda message: _fill_text(message, text, origin))
    if extension == ".json" or (extension not in (".yaml", ".yml") and text.lstrip().startswith("{")):
        return Source(origin, tree=_json(text, origin), text=text)
    return from_yaml(text, origin)


def from_yaml(text: str, origin: str) -> Source:
    try:
        return Source(origin, tree=yaml_tree.parse(text, origin), text=text)
    except RecursionError:
        raise too_deep(origin) from None


def from_tree(tree: dict[str, Any], origin: str = "<dict>") -> Source:
    if problems := [Problem(path, f"a key must be text, not {shown(key)}", origin) for path, key in _odd_keys(tree, "")]:
        raise ConfigError(problems)
    return Source(origin, tree=tree)


def _odd_keys(tree: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Keys of a caller's dict that no file could hold."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if not isinstance(key, str):
                yield path, key
            else:
                yield from _odd_keys(value, join(path, key))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _odd_keys(value, f"{path}[{index}]")


def from_message(message: Message, origin: str = "<message>") -> Source:
    return Source(origin, fill=lambda target: target.CopyFrom(message))


def _json(text: str, origin: str) -> Any:
    twice: list[str] = []

    def mapped(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        tree = dict(pairs)
        if len(tree) != len(pairs):
            keys = [key for key, _ in pairs]
            twice.append(next(key for key in keys if keys.count(key) > 1))
        return tree

    if not text.strip():
        return None
    try:
        tree = json.loads(text, object_pairs_hook=mapped)
    except json.JSONDecodeError as error:
        ends = "; the text ends here" if error.pos >= len(text.rstrip()) else ""
        raise ConfigError([Problem("", f"not valid JSON: {error.msg}{ends}", origin, error.lineno)]) from None
    except RecursionError:
        raise too_deep(origin) from None
    if twice:
        line = yaml_tree.line_of_repeated_key(text)
        raise ConfigError([Problem("", f"the key '{twice[0]}' stands twice in one object", origin, line)])
    return tree


def too_deep(origin: str) -> ConfigError:
    return ConfigError([Problem("", "is nested too deeply", origin)])


def _fill_binary(message: Message, raw: bytes, origin: str) -> None:
    try:
        message.MergeFromString(raw)
    except DecodeError:
        name = message.DESCRIPTOR.full_name
        raise ConfigError([Problem("", f"the bytes are no serialized {name}", origin)]) from None
    if paths := unknown.paths(message):
        raise ConfigError([Problem(path, "a field of this number is not known", origin) for path in paths])


def _fill_text(message: Message, text: str, origin: str) -> None:
    from google.protobuf import text_format

    try:
        text_format.Merge(text, message)
    except text_format.ParseError as error:
        problem = Problem("", f"not a valid text protobuf: {error}", origin, error.GetLine() or 0)
        raise ConfigError([problem]) from None
