"""Records: made, compared, printed and changed as data classes are, and data classes to whoever asks `dataclasses`."""

from __future__ import annotations

import copy
import dataclasses
import gc
import pickle
import subprocess
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from meshcore.bind.record import field, record, replace, values


@record
class Point:
    """Two numbers."""

    x: int
    y: int = 2
    tags: dict[str, int] = field(default_factory=dict)
    secret: str = field(default="", repr=False)
    note: str = field(default="", compare=False)

    def sum(self) -> int:
        return self.x + self.y


@record(frozen=False)
class Counter:
    count: int = 0
    seen: list[int] = field(default_factory=list)


@record
class Positive:
    value: int

    def __post_init__(self) -> None:
        if self.value <= 0:
            raise ValueError("not positive")


@dataclasses.dataclass(slots=True, frozen=True)
class Twin:
    """Point as `dataclasses` makes it."""

    x: int
    y: int = 2
    tags: dict[str, int] = dataclasses.field(default_factory=dict)
    secret: str = dataclasses.field(default="", repr=False)
    note: str = dataclasses.field(default="", compare=False)


CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((1,), {}),
    ((1, 3, {"a": 1}, "s", "n"), {}),
    ((), {"x": 1}),
    ((), {"note": "n", "y": 4, "x": 1}),
    ((1,), {"secret": "s", "tags": {}}),
    ((), {}),
    ((1, 2, {}, "", "", 6), {}),
    ((1,), {"x": 1}),
    ((1,), {"z": 1}),
    ((), {"y": 1}),
]


def outcome(make: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]) -> str:
    try:
        made = make(*args, **named)
    except TypeError:
        return "TypeError"
    return repr(dataclasses.asdict(made)) + repr(made).replace("Twin", "Point")


@pytest.mark.parametrize(("args", "named"), CALLS)
def test_a_call_binds_its_arguments_as_that_of_a_data_class_does(args: tuple[Any, ...], named: dict[str, Any]) -> None:
    assert outcome(Point, args, named) == outcome(Twin, args, named)


def test_names_that_are_not_interned_are_found() -> None:
    assert Point(**{"".join(["x", ""]): 5, "".join(["se", "cret"]): "s"}) == Point(5, secret="s")


def test_equality_and_hash_leave_out_what_is_not_compared() -> None:
    tagged = Positive(3), Positive(3)
    assert tagged[0] == tagged[1] and hash(tagged[0]) == hash(tagged[1])
    assert Point(1, note="a") == Point(1, note="b") != Point(2)
    assert Point(1) != Twin(1)
    assert Point(1, secret="a") != Point(1, secret="b")
    with pytest.raises(TypeError):
        hash(Counter())


def test_a_frozen_record_cannot_be_changed_and_another_can() -> None:
    point, counter = Point(1), Counter()
    with pytest.raises(dataclasses.FrozenInstanceError, match="'x'"):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del point.x
    counter.count += 1
    assert counter == Counter(1) and Counter().seen is not counter.seen
    with pytest.raises(AttributeError):
        counter.other = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("change", [replace, dataclasses.replace])
def test_replace_changes_fields_of_a_copy(change: Callable[..., Point]) -> None:
    point = Point(1, tags={"a": 1})
    changed = change(point, y=5)
    assert (changed.x, changed.y, changed.sum(), point.y) == (1, 5, 6, 2)
    assert changed.tags is point.tags
    with pytest.raises(TypeError, match="'z'"):
        change(point, z=1)


def test_what_a_class_checks_is_checked_in_replacements_too() -> None:
    with pytest.raises(ValueError, match="not positive"):
        Positive(-1)
    with pytest.raises(ValueError, match="not positive"):
        replace(Positive(1), value=0)


def test_dataclasses_see_the_fields_of_a_record() -> None:
    assert dataclasses.is_dataclass(Point) and values(Point(1)) == dataclasses.asdict(Point(1)) == dataclasses.asdict(Twin(1))
    mine, theirs = dataclasses.fields(Point), dataclasses.fields(Twin)
    assert [(one.name, one.default, one.default_factory, one.repr, one.compare) for one in mine] == [
        (one.name, one.default, one.default_factory, one.repr, one.compare) for one in theirs
    ]
    match Point(1, 7):
        case Point(x, y):
            assert (x, y) == (1, 7)


@pytest.mark.parametrize("remake", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_records_are_copied_and_pickled(remake: Callable[[Point], Point]) -> None:
    point = Point(1, tags={"a": 1})
    assert remake(point) == point


def test_a_class_derived_from_a_record_is_made_like_it() -> None:
    class Further(Point):
        pass

    assert Further(1, y=3).sum() == 4 and Further(1).tags == {}
    with pytest.raises(TypeError):
        Further(1, x=1)


def test_records_in_a_cycle_and_failed_calls_leave_nothing() -> None:
    class Marker:
        pass

    marker = Marker()
    gone = weakref.ref(marker)
    counter = Counter(seen=[marker])  # type: ignore[list-item]
    counter.seen.append(counter)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Point(marker, 2, x=1)  # type: ignore[misc, arg-type]
    del marker, counter
    gc.collect()
    assert gone() is None


def test_a_required_field_after_a_default_is_refused() -> None:
    with pytest.raises(TypeError, match="'late'"):

        @record
        class _Wrong:
            early: int = 1
            late: int  # type: ignore[misc]


def test_the_plan_is_defined_without_the_machinery_of_dataclasses() -> None:
    code = "import sys, meshcore.bind.spec; print(*{'dataclasses', 'inspect', 'ast'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split() == []
