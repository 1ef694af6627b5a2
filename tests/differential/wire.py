"""Turns the text of a case into the bytes that go on the wire.

Two forms: a message (`send`, `respond`), where lines are joined with CRLF and the blank line after a head without a
body is added, and raw bytes (`raw`), where nothing is added. Both know the same escapes, so that odd bytes stay
readable: `\\r \\n \\t \\0 \\\\ \\xHH`, `{{TEXT*N}}` for TEXT repeated N times (TEXT may hold escapes) and
`{{NAME}}` for a value of the run, such as a port. Must not know HTTP beyond the blank line. Called when a case is
played, on the test's loop.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|.)|\{\{(.*?)\}\}", re.DOTALL)
_SIMPLE = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\", "{": b"{", "e": b"\x1b"}


class WireError(Exception):
    """The text of a case cannot be turned into bytes."""


def unescape(text: str, values: Mapping[str, str] | None = None) -> bytes:
    """The bytes of `text` with escapes resolved; characters over U+007F become UTF-8."""
    out = bytearray()
    at = 0
    for found in _ESCAPE.finditer(text):
        out += text[at : found.start()].encode()
        at = found.end()
        escape, braces = found.group(1), found.group(2)
        if escape is not None:
            out += _escape(escape)
        else:
            out += _braces(braces, values or {})
    out += text[at:].encode()
    return bytes(out)


def _escape(escape: str) -> bytes:
    if escape[0] == "x" and len(escape) == 3:
        return bytes([int(escape[1:], 16)])
    if escape in _SIMPLE:
        return _SIMPLE[escape]
    raise WireError(f"unknown escape \\{escape}")


def _braces(inner: str, values: Mapping[str, str]) -> bytes:
    text, star, count = inner.rpartition("*")
    if star:
        return unescape(text, values) * int(count)
    if inner in values:
        return values[inner].encode()
    raise WireError(f"unknown value {{{{{inner}}}}}; known: {', '.join(sorted(values)) or 'none'}")


def message(text: str, values: Mapping[str, str] | None = None) -> bytes:
    """A message written as lines: joined with CRLF, ended with a blank line unless it holds one already."""
    text = text.rstrip("\n") if "\n\n" not in text.rstrip("\n") else text.removesuffix("\n")
    if "\n\n" not in text:
        text += "\n\n"
    # Only the line ends of the YAML text become CRLF; a `\n` written as an escape stays a bare LF.
    return b"\r\n".join(unescape(line, values) for line in _lines(text))


def _lines(text: str) -> list[str]:
    """Lines of the text, not cut inside `{{...}}`."""
    lines: list[str] = []
    for line in text.split("\n"):
        if lines and lines[-1].count("{{") > lines[-1].count("}}"):
            lines[-1] += "\n" + line
        else:
            lines.append(line)
    return lines
