"""Writes measured figures into the README, between their markers: `python docs/fill.py bench` or `differential`.

Owns the text between `<!-- NAME:start -->` and `<!-- NAME:end -->` and touches nothing else. Invents nothing: the table comes from
`python -m bench --table`, the score from a run of the differential harness. Called by `make bench` and `make docs`; ends with 1 when a
figure could not be had, and then the README is as it was.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def filled(text: str, name: str, figures: str) -> str:
    """`text` with `figures` between the markers of `name`. Raises ValueError when the markers do not stand there once."""
    pattern = re.compile(rf"(<!-- {name}:start -->\n).*?(<!-- {name}:end -->)", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise ValueError(f"the markers {name}:start and {name}:end must stand in the README once")
    return pattern.sub(lambda found: f"{found[1]}{figures.strip()}\n{found[2]}", text)


def bench() -> str:
    """The README's table, from the newest rows of bench/results/."""
    command = [sys.executable, "-m", "bench", "--table"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def differential() -> str:
    """One line with the score of a whole run; differences without a known reason are counted apart."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "score.json"
        command = [sys.executable, "-m", "tests.differential", "--score", "--brief", "--json", str(path)]
        subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
        return score_line(json.loads(path.read_text()))


def score_line(facts: dict[str, float]) -> str:
    rest = facts["cases"] - facts["same"]
    named = "" if not rest else f"; of the {rest} others {facts['known']} are named with their reason in tests/differential/known.yaml"
    return f"**{facts['same']} of {facts['cases']} cases the same as Envoy 1.40: {facts['score']:.1f} %**{named}."


FIGURES: dict[str, Callable[[], str]] = {"bench": bench, "differential": differential}


def main(names: list[str]) -> int:
    readme = ROOT / "README.md"
    for name in names:
        if name not in FIGURES:
            print(f"error: {name} is not among {', '.join(FIGURES)}", file=sys.stderr)
            return 1
        try:
            figures = FIGURES[name]()
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            print(f"error: no figures for {name}: {error}", file=sys.stderr)
            return 1
        readme.write_text(filled(readme.read_text(), name, figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
