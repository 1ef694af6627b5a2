"""The cells that tables point to: what a key says, as fraction, integer, number and truth value."""

from __future__ import annotations

import pytest

from mesh.config.runtime import parse
from meshcore.bind.runtime import RuntimeCells
from meshcore.bind.spec import RuntimeFraction

HALF = RuntimeFraction(50, 100, "key")


@pytest.fixture
def cells() -> RuntimeCells:
    return RuntimeCells()


def hits(cells: RuntimeCells, fraction: RuntimeFraction, of: int) -> int:
    return sum(cells.hits(fraction, number) for number in range(of))


def test_without_a_value_the_default_counts(cells: RuntimeCells) -> None:
    assert hits(cells, HALF, 100) == 50
    assert cells.integer("key", 7) == 7
    assert cells.number("key", 0.25) == 0.25
    assert cells.boolean("key", True) is True


@pytest.mark.parametrize(
    ("text", "of_hundred"),
    [("0", 0), ("7", 7), ("100", 100), ("5000000000", 100), ("numerator: 3", 3), ("lots", 50), ("-1", 50), ("0.5", 0), ("2.5", 2)],
)
def test_a_value_replaces_the_share(cells: RuntimeCells, text: str, of_hundred: int) -> None:
    cells.set({"key": parse(text)})
    assert hits(cells, HALF, 100) == of_hundred


def test_a_fraction_brings_its_own_denominator(cells: RuntimeCells) -> None:
    cells.set({"key": parse("{numerator: 3, denominator: TEN_THOUSAND}")})
    assert hits(cells, HALF, 10_000) == 3


def test_a_value_taken_back_leaves_the_default(cells: RuntimeCells) -> None:
    cells.set({"key": parse("100")})
    assert hits(cells, HALF, 100) == 100
    cells.set({})
    assert hits(cells, HALF, 100) == 50


def test_no_fraction_configured_is_everything(cells: RuntimeCells) -> None:
    assert cells.hits(None, 12345)


def test_a_key_keeps_its_cell_among_many(cells: RuntimeCells) -> None:
    names = [f"key.{number}" for number in range(1000)]
    assert all(cells.integer(name, -1) == -1 for name in names)
    cells.set({name: parse(str(number)) for number, name in enumerate(names)})
    assert [cells.integer(name, -1) for name in names] == list(range(1000))


@pytest.mark.parametrize(("text", "number"), [("0", 0.0), ("-0.0", 0.0), ("2.5", 2.5), ("1e3", 1000.0), ("-3", -3.0)])
def test_numbers(cells: RuntimeCells, text: str, number: float) -> None:
    cells.set({"key": parse(text)})
    assert cells.number("key", 99.0) == number


@pytest.mark.parametrize(("text", "truth"), [("true", True), ("no", False), ("1", None), ("maybe", None)])
def test_truth_values(cells: RuntimeCells, text: str, truth: bool | None) -> None:
    cells.set({"key": parse(text)})
    assert (cells.boolean("key", True), cells.boolean("key", False)) == ((True, False) if truth is None else (truth, truth))
