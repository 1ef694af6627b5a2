"""docs/fields.md never promises what is refused. It may lag behind what works until `make docs` has run."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

from mesh.config import newer
from tests.docs.papers import ROOT, writer

ROW = re.compile(r"^\| `([\w.]+)` \| (.*) \| (.*) \|$", re.MULTILINE)
WHOLE = re.compile(r"^- `([\w.]+)`: (.*)$", re.MULTILINE)
EXTENSIONS = re.compile(r"^\| `([\w.]+)` \| ([^|]*\.v3\.[^|]*) \|$", re.MULTILINE)
NAME = re.compile(r"`([\w.]+)`")
pytestmark = pytest.mark.slow  # loading every table takes longer than all of the tests


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    return writer("fields")


def withheld(page: str) -> dict[str, set[str]]:
    """For each message of a page, the fields that it says do not work everywhere."""
    found = {name: set(NAME.findall(refused + idle)) for name, refused, idle in ROW.findall(page)}
    for package, names in WHOLE.findall(page):
        found.update({f"{package}.{name}": set() for name in NAME.findall(names)})
    return found


@pytest.mark.parametrize("fresh", [False, True], ids=["kept", "made now"])
def test_every_field_that_the_page_promises_works(fresh: bool, generator: ModuleType) -> None:
    page = generator.page() if fresh else (ROOT / "docs" / "fields.md").read_text()
    said = withheld(page)
    real = {row.message: {*row.refused, *row.idle} for row in generator.rows()}
    assert len(said) > 300
    assert set(said) <= set(real)
    assert [(message, fields - said[message]) for message, fields in real.items() if message in said and fields - said[message]] == []
    if fresh:
        assert said == real


def test_every_extension_that_the_page_names_may_be_named(generator: ModuleType) -> None:
    for page in (generator.page(), (ROOT / "docs" / "fields.md").read_text()):
        rows = EXTENSIONS.findall(page)
        assert len(rows) > 20
        named = {f"envoy.extensions.{folder}.{name}" for folder, names in rows for name in NAME.findall(names)}
        assert named <= set(newer.IMPLEMENTED_TYPES)
