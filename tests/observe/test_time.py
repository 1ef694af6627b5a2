"""Time patterns: every conversion against Python's own, and the ones that only this dialect has against what Envoy
printed.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshcore.bind.format import Formatter

MOMENT_US = 1795399843203242
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def at(pattern: str, wall_us: int = MOMENT_US, operator: str = "START_TIME") -> str:
    return Formatter(f"%{operator}({pattern})%").write({"start_wall_us": wall_us}).decode()


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("%f", "203242000"),
        ("%1f", "2"),
        ("%3f", "203"),
        ("%6f", "203242"),
        ("%9f", "203242000"),
        ("%0f", "%0f"),
        ("%s", "1795399843"),
        ("%3s", "1795399843"),
        ("%s.%3f", "1795399843.203"),
        ("%E3S", "43.203"),
        ("%E*S", "43.203242"),
        ("%E0S", "43"),
        ("%E12S", "43.203242000000"),
        ("%E*f", "203242"),
        ("%E3f", "203"),
        ("%Y-%m-%dT%H:%M:%E3S%z", "2026-11-23T02:10:43.203+0000"),
        ("%Ez", "+00:00"),
        ("%E*z", "+00:00:00"),
        ("%:z", "+00:00"),
        ("%::z", "+00:00:00"),
        ("%:::z", "+00"),
        ("%E4Y", "2026"),
        ("%ET", "T"),
        ("%h", "Nov"),
        ("%D", "11/23/26"),
        ("%r", "02:10:43 AM"),
        ("%l|%k|%P", " 2| 2|am"),
        ("%Z", "UTC"),
        ("%t", "\t"),
        ("%%", "%"),
        ("%Q", "%Q"),
        ("%E", "%E"),
        ("%-d%_d%^a%#Z", "2323MONutc"),
        ("%Od%OH%EC", "230220"),
        ("%5Y", "02026"),
        ("%q%3f", "%q203"),
        ("%f%f%3f", "203242000203242000203"),
        ("abc", "abc"),
        ("a)b", "a)b"),
    ],
)
def test_conversions_of_the_dialect(pattern: str, expected: str) -> None:
    assert at(pattern) == expected


@pytest.mark.parametrize("pattern", ["", "()"])
def test_the_default_is_iso_8601_with_milliseconds(pattern: str) -> None:
    assert Formatter(f"%START_TIME{pattern}%").write({"start_wall_us": MOMENT_US}) == b"2026-11-23T02:10:43.203Z"


PATTERN = "%Y|%m|%d|%H|%M|%S|%F|%T|%j|%y|%e|%a|%A|%b|%B|%I|%p|%u|%w|%U|%W|%V|%G|%g|%R|%D|%c"


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2999, 12, 31)))
def test_every_conversion_agrees_with_the_c_library(moment: datetime) -> None:
    moment = moment.replace(tzinfo=UTC)
    wall_us = (moment - EPOCH) // timedelta(microseconds=1)
    assert at(PATTERN, wall_us) == moment.strftime(PATTERN)
    assert at("%6f", wall_us) == f"{moment.microsecond:06d}"
    text = Formatter("%START_TIME%").write({"start_wall_us": wall_us}).decode()
    assert text == moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def test_local_time_follows_the_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "XXX-5:30")
    time.tzset()
    try:
        assert at("%H:%M %z %Z %Ez", operator="START_TIME_LOCAL") == "07:40 +0530 XXX +05:30"
        text = Formatter("%START_TIME_LOCAL%").write({"start_wall_us": MOMENT_US})
        assert text == b"2026-11-23T07:40:43.203+0530"
        assert at("%H:%M %z %Z") == "02:10 +0000 UTC"
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()


@pytest.mark.parametrize("operator", ["EMIT_TIME", "EMIT_TIME_LOCAL"])
def test_emit_time_is_now(operator: str) -> None:
    before = time.time() - 0.001
    written = float(at("%s.%6f", operator=operator))
    assert before <= written <= time.time()


def test_a_pattern_that_would_print_too_much_is_cut() -> None:
    assert len(at("%Y" * 4000)) <= 4096
