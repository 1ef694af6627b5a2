"""docs/fill.py: figures go between their markers, and nothing else of the README changes."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.docs.papers import ROOT, writer


@pytest.fixture(scope="module")
def fill() -> ModuleType:
    return writer("fill")


def test_figures_replace_what_stood_between_the_markers(fill: ModuleType) -> None:
    text = "before\n<!-- bench:start -->\nold\nlines\n<!-- bench:end -->\nafter\n"
    assert fill.filled(text, "bench", "| a |\\1\n") == "before\n<!-- bench:start -->\n| a |\\1\n<!-- bench:end -->\nafter\n"


def test_markers_that_are_missing_or_doubled_are_an_error(fill: ModuleType) -> None:
    once = "<!-- bench:start -->\n<!-- bench:end -->\n"
    for text in ("nothing", once + once):
        with pytest.raises(ValueError, match="once"):
            fill.filled(text, "bench", "")


def test_the_readme_has_a_place_for_every_figure(fill: ModuleType) -> None:
    readme = (ROOT / "README.md").read_text()
    for name in fill.FIGURES:
        assert fill.filled(readme, name, "x") != readme


def test_a_score_names_the_cases_that_differ(fill: ModuleType) -> None:
    line = fill.score_line({"cases": 200, "same": 197, "known": 3, "score": 98.5})
    assert "197 of 200" in line and "98.5 %" in line and "3 others 3 are named" in line
    assert "others" not in fill.score_line({"cases": 2, "same": 2, "known": 0, "score": 100.0})


def test_an_unknown_figure_is_refused_by_name(fill: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert fill.main(["beauty"]) == 1
    assert "beauty is not among bench, differential" in capsys.readouterr().err
