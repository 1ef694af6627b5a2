"""Values of the short form: durations, sizes, counts, texts and mappings, each with an error that says what is
accepted.

A value that does not fit is reported and read as something harmless, so that the walk goes on and one run shows every
mistake; what comes out counts only when nothing was reported. One `Reader` per load, shared by all files of this
folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from mesh.config.errors import Report, join, nearest
from mesh.config.scalars import shown

DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
SIZE = re.compile(r"(\d+)\s*(k|kb|kib|m|mb|mib)?", re.IGNORECASE)
COUNT_MAX = 2**32 - 1


class Reader:
    """Reads values and reports those that do not fit; a misfit reads as a harmless default."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def refuse(self, path: str, text: str) -> None:
        self.report.refuse(path, text)

    def keys(self, tree: dict[str, Any], known: Iterable[str], path: str) -> None:
        """Refuses keys that are not `known`."""
        known = tuple(known)
        for key in tree:
            if key not in known:
                close = nearest(key, known)
                accepted = "" if close else f"; accepted are {', '.join(known)}"
                self.refuse(join(path, key), f"no such key{close}{accepted}")

    def text(self, value: Any, path: str) -> str:
        if isinstance(value, str) and value:
            return value
        self.refuse(path, f"text belongs here, not {shown(value)}")
        return "?"

    def mapping(self, value: Any, path: str) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        self.refuse(path, f"a mapping belongs here, not {shown(value)}")
        return {}

    def mappings(self, value: Any, path: str) -> Iterator[tuple[dict[str, Any], str]]:
        """(mapping, path) of each item of a list; one mapping alone is a list of one."""
        if value is None:
            return
        items = value if isinstance(value, list) else [value]
        for index, item in enumerate(items):
            at = f"{path}[{index}]"
            if isinstance(item, dict):
                yield item, at
            else:
                self.refuse(at, f"a mapping belongs here, not {shown(item)}")

    def texts(self, value: Any, path: str) -> list[str]:
        """A text or a list of texts."""
        if isinstance(value, list):
            return [self.text(item, f"{path}[{index}]") for index, item in enumerate(value)]
        return [self.text(value, path)]

    def count(self, value: Any, path: str, low: int = 0, high: int = COUNT_MAX) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self.refuse(path, f"a whole number from {low} to {high} belongs here, not {shown(value)}")
        return low

    def duration(self, value: Any, path: str) -> str:
        """`3s`, `250ms`, `1m`, `2h`; `off` is zero. As Envoy writes durations."""
        if value is False:
            return "0s"
        match = DURATION.fullmatch(value) if isinstance(value, str) else None
        if not match:
            self.refuse(path, f"{shown(value)} is no duration; write 250ms, 3s, 1m, 2h or off")
            return "1s"
        return f"{float(match[1]) * SECONDS[match[2]]:.3f}".rstrip("0").rstrip(".") + "s"

    def flag(self, value: Any, path: str) -> bool:
        if isinstance(value, bool):
            return value
        self.refuse(path, f"true or false belongs here, not {shown(value)}")
        return False

    def kib(self, value: Any, path: str) -> int:
        """A size in KiB: `60`, `60k`, `1m`."""
        match = SIZE.fullmatch(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None
        if not match:
            self.refuse(path, f"{shown(value)} is no size; write 60k or 1m")
            return 1
        return int(match[1]) * (1024 if (match[2] or "k")[0].lower() == "m" else 1)
