"""docs/short-form.md is true: its examples load, and it names every key that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mesh.config import load, short
from mesh.config.short import action, route, target

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "short-form.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_example_loads(number: int, tmp_path: Path) -> None:
    path = tmp_path / "mesh.yaml"
    path.write_text(EXAMPLES[number])
    assert load(path).plan.listeners


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 2


@pytest.mark.parametrize(
    "key", sorted({*short.KEYS, *route.KEYS, *target.UPSTREAM_KEYS, *action.RETRY_KEYS, *action.REDIRECT_KEYS})
)
def test_every_key_is_on_the_page_and_in_an_example_or_a_table(key: str) -> None:
    assert re.search(rf"\b{key}\b", PAGE)


@pytest.mark.parametrize("key", sorted({*short.KEYS, *route.KEYS, *target.UPSTREAM_KEYS}))
def test_every_key_is_used_by_an_example(key: str) -> None:
    assert re.search(rf"(^|[ {{,])\s*{key}:", "\n".join(EXAMPLES), re.MULTILINE)
