"""What is wrong with a configuration, one problem at a time.

Owns the two values that cross every file of this package: `Problem` (path, text, line) and `Report`, which gathers
problems while a walk goes on, so that a user sees all of them at once. Knows no protobuf and no YAML. Lives on the
thread that loads; ends with `Report.raise_if_any`, which turns what was gathered into one `ConfigError`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

from meshcore.bind.record import record

MAX_PROBLEMS = 50
LAST = sys.maxsize


@record
class Problem:
    """One thing that is wrong: `path` is the field, `line` (from 1, 0 = unknown) where it stands in `origin`."""

    path: str
    text: str
    origin: str = ""
    line: int = 0

    def __str__(self) -> str:
        place = f"{self.origin}:{self.line}" if self.origin and self.line else self.origin
        return ": ".join(part for part in (place, self.path, self.text) if part)


class ConfigError(ValueError):
    """The configuration was refused; `problems` says why, and `str()` has one line per problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Report:
    """Gathers problems; `locate` turns a path into (origin, line, path as written), asked only when there is
    something to say."""

    def __init__(self, origin: str = "", locate: Callable[[str], tuple[str, int, str]] | None = None) -> None:
        self.origin = origin
        self._locate = locate
        self._found: dict[tuple[str, str], Problem] = {}

    @property
    def failed(self) -> bool:
        return bool(self._found)

    def locate(self, path: str) -> tuple[str, int, str]:
        """(origin, line, path as written) of a field; line 0 when it is not known."""
        return self._locate(path) if self._locate else (self.origin, 0, path)

    def refuse(self, path: str, text: str) -> None:
        """Adds a problem; the same text at the same path counts once."""
        if len(self._found) <= MAX_PROBLEMS:
            self._found.setdefault((path, text), Problem(path, text))

    def raise_if_any(self) -> None:
        if not self._found:
            return
        located = []
        for problem in list(self._found.values())[:MAX_PROBLEMS]:
            origin, line, path = self.locate(problem.path)
            located.append(Problem(path, problem.text, origin, line))
        located.sort(key=lambda problem: problem.line or LAST)
        if len(self._found) > MAX_PROBLEMS:
            located.append(Problem("", f"more than {MAX_PROBLEMS} problems; the rest is not shown", self.origin))
        raise ConfigError(located)


def join(path: str, name: str) -> str:
    """The path of field `name` inside `path`."""
    return f"{path}.{name}" if path else name


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the known name most like `name`, or nothing when none is close."""
    import difflib  # for mistakes only

    by_folded = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(name.lower(), by_folded, n=1, cutoff=0.6)
    return f"; did you mean '{by_folded[found[0]]}'?" if found else ""
