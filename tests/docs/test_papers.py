"""The papers hold together: links lead somewhere, paths and make targets that they name exist, decisions have their four parts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.papers import ROOT, links, papers

PARTS = ("## Context", "## Choice", "## Rejected", "## How we would notice that we were wrong")
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
# Words in backquotes that look like a path of the repository.
PATH = re.compile(r"`((?:src|python|tests|bench|docs|examples|\.ci)/[\w./-]+)`")
TARGET = re.compile(r"`make (\w+)`")
CORE_FILE = re.compile(r"`((?:base|codec|observe|route|cluster|filter|conf|io|proxy|run|bind)/\w+(?:\.\w+)?)`")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("paper", papers(), ids=relative)
def test_links_lead_to_files(paper: Path) -> None:
    for target in links(paper):
        assert (paper.parent / target).exists(), target


@pytest.mark.parametrize("paper", papers(), ids=relative)
def test_paths_that_are_named_exist(paper: Path) -> None:
    for name in PATH.findall(paper.read_text()):
        assert (ROOT / name).exists() or name.startswith("bench/results"), name
    for name in CORE_FILE.findall(paper.read_text()):
        assert list((ROOT / "src" / "meshcore").glob(name if "." in name else f"{name}.p*")) or (
            ROOT / "src" / "meshcore" / name
        ).exists(), name


@pytest.mark.parametrize("paper", papers(), ids=relative)
def test_make_targets_that_are_named_exist(paper: Path) -> None:
    known = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(TARGET.findall(paper.read_text())) <= known


@pytest.mark.parametrize("paper", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_says_context_choice_rejected_and_how_it_could_be_wrong(paper: Path) -> None:
    text = paper.read_text()
    found = [text.find(part) for part in PARTS]
    assert -1 not in found and found == sorted(found)
    prose = [line for line in text.splitlines() if not line.startswith("|")]
    assert len(" ".join(prose).split()) < 450, "half a page"
