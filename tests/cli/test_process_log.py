"""The process log has Envoy's form."""

from __future__ import annotations

import io
import logging
import re
import threading
from collections.abc import Iterator

import pytest

from mesh.cli import process_log


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger(process_log.ROOT)
    before = (list(root.handlers), root.level, root.propagate)
    yield io.StringIO()
    root.handlers[:], root.level, root.propagate = before


def test_a_line_has_time_thread_level_and_name(stream: io.StringIO) -> None:
    log = process_log.set_up("info", stream)
    log.info("started %d", 1)
    logging.getLogger("mesh.dns").warning("slow")
    log.debug("unseen")
    stamp = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\]"
    thread = rf"\[{threading.get_native_id()}\]"
    first, second = stream.getvalue().splitlines()
    assert re.fullmatch(stamp + thread + r"\[info\]\[main\] started 1", first)
    assert re.fullmatch(stamp + thread + r"\[warning\]\[dns\] slow", second)


@pytest.mark.parametrize(
    ("level", "seen"),
    [
        ("trace", ["trace", "debug", "info", "warning", "error", "critical"]),
        ("warn", ["warning", "error", "critical"]),
        ("critical", ["critical"]),
        ("off", []),
    ],
)
def test_levels_are_envoys(level: str, seen: list[str], stream: io.StringIO) -> None:
    log = process_log.set_up(level, stream)
    for name in ("trace", "debug", "info", "warning", "error", "critical"):
        log.log(process_log.LEVELS[name], "x")
    assert re.findall(r"\[([a-z]+)\]\[main\]", stream.getvalue()) == seen


def test_setting_up_twice_writes_once(stream: io.StringIO) -> None:
    process_log.set_up("info", stream)
    process_log.set_up("info", stream).info("x")
    assert stream.getvalue().count("\n") == 1


def test_a_traceback_follows_its_line(stream: io.StringIO) -> None:
    log = process_log.set_up("info", stream)
    try:
        raise ValueError("inner")
    except ValueError:
        log.exception("outer")
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("[error][main] outer")
    assert rest[-1] == "ValueError: inner"
