"""The message head against a list of pairs: add, set, drop, append and join in any order."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from meshcore.bind.headtest import Fields, identify, known

KNOWN = ["connection", "cookie", "x-forwarded-for", "via"]
OTHER = ["x-a", "x-b", "cookie2"]
KNOWN_NAMES = st.sampled_from([name.encode() for name in KNOWN])
NAMES = st.sampled_from([name.encode() for name in KNOWN + OTHER])
VALUES = st.binary(max_size=12)


class HeadAgainstList(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.head = Fields()
        # One entry per header ever added; None once dropped, so that places stay.
        self.model: list[tuple[bytes, bytes] | None] = []

    def places(self, name: bytes) -> list[int]:
        return [i for i, entry in enumerate(self.model) if entry is not None and entry[0] == name]

    def values(self, name: bytes) -> list[bytes]:
        return [entry[1] for entry in self.model if entry is not None and entry[0] == name]

    @rule(name=NAMES, value=VALUES)
    def add(self, name: bytes, value: bytes) -> None:
        assert self.head.add(name, value)
        self.model.append((name, value))

    @rule(name=NAMES, value=VALUES)
    def add_copy(self, name: bytes, value: bytes) -> None:
        assert self.head.add_copy(name.upper(), value)
        self.model.append((name, value))

    def _set(self, name: bytes, value: bytes) -> None:
        places = self.places(name)
        if not places:
            self.model.append((name, value))
            return
        self.model[places[0]] = (name, value)
        for i in places[1:]:
            self.model[i] = None

    @rule(name=KNOWN_NAMES, value=VALUES, copied=st.booleans())
    def set(self, name: bytes, value: bytes, copied: bool) -> None:
        assert (self.head.set_copy if copied else self.head.set)(identify(name), value)
        self._set(name, value)

    @rule(name=KNOWN_NAMES, value=VALUES)
    def append(self, name: bytes, value: bytes) -> None:
        assert self.head.append(identify(name), value)
        places = self.places(name)
        if places and self.values(name)[0]:
            self.model[places[0]] = (name, self.values(name)[0] + b"," + value)
        else:
            self._set(name, value)

    @rule(name=NAMES)
    def drop_name(self, name: bytes) -> None:
        self.head.drop_name(name)
        for i in self.places(name):
            self.model[i] = None

    @rule(name=KNOWN_NAMES)
    def drop(self, name: bytes) -> None:
        self.head.drop(identify(name))
        for i in self.places(name):
            self.model[i] = None

    @rule(part=st.floats(0, 0.999))
    def drop_at(self, part: float) -> None:
        if self.model:
            i = int(len(self.model) * part)
            self.head.drop_at(i)
            self.model[i] = None

    @invariant()
    def they_hold_the_same(self) -> None:
        live = [entry for entry in self.model if entry is not None]
        assert self.head.items() == live
        assert (self.head.live, self.head.len) == (len(live), len(self.model))
        for text in KNOWN + OTHER:
            name = text.encode()
            values = self.values(name)
            assert self.head.values(name) == values
            assert self.head.join(name) == (b",".join(values) if values else None)
        for text in KNOWN:
            values = self.values(text.encode())
            assert self.head.value(identify(text.encode())) == (values[0] if values else None)


HeadAgainstList.TestCase.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
TestHeadAgainstList = pytest.mark.slow(HeadAgainstList.TestCase)


@pytest.mark.parametrize("id", range(1, len(known)))
def test_a_known_name_is_identified(id: int) -> None:
    assert known[id] == known[id].lower() != b""
    assert identify(known[id]) == id


NEARLY_KNOWN = st.one_of(st.sampled_from(known).map(lambda name: name[:-1]), st.sampled_from(known).map(lambda name: name + b"x"))


@given(st.one_of(st.binary(max_size=60), NEARLY_KNOWN))
def test_other_names_are_not_identified(name: bytes) -> None:
    assert identify(name) == (known.index(name) if name in known[1:] else 0)


def test_a_head_grows_to_many_headers() -> None:
    head = Fields()
    pairs = [(b"x-%d" % i, b"%d" % i) for i in range(3000)]
    for name, value in pairs:
        assert head.add(name, value)
    assert head.items() == pairs


def test_a_head_refuses_what_its_counters_cannot_hold() -> None:
    head = Fields()
    added = 0
    while added < 70_000 and head.add(b"x", b""):
        added += 1
    assert 32_768 <= added < 65_536
    assert head.live == added


def test_a_name_longer_than_its_length_field_is_refused() -> None:
    assert Fields().add(b"a" * 65_535, b"")
    assert not Fields().add(b"a" * 65_536, b"")
    assert not Fields().add_copy(b"a" * 70_000, b"")
