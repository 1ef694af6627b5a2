"""The example of Python filters: its own configuration, with free ports in place of its ports."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest
import yaml

import mesh
from tests.filters.wire import Mirror, ask

FOLDER = Path(__file__).parents[2] / "examples" / "python_filter"


class Lines(logging.Handler):
    """Keeps what is logged; the log hook runs behind the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.enough = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        if len(self.lines) >= 4:
            self.enough.set()


def test_the_example_asks_for_a_key_and_counts(mirror: Mirror, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    source = yaml.safe_load((FOLDER / "mesh.yaml").read_text())
    source["listen"] = "127.0.0.1:0"
    source["routes"][0]["to"] = f"127.0.0.1:{mirror.port}"
    log, lines = logging.getLogger("example"), Lines()
    log.addHandler(lines)
    monkeypatch.setattr(log, "level", logging.INFO)
    try:
        with mesh.Proxy(source, concurrency=1) as proxy:
            (address,) = proxy.listeners.values()
            assert ask(address.port).status == 401 and mirror.requests == 0
            key = ("x-api-key", "k1")
            first, second, third = (ask(address.port, "/a", key) for _ in range(3))
            assert lines.enough.wait(5)
    finally:
        log.removeHandler(lines)
    assert [answer.status for answer in (first, second, third)] == [200, 200, 429]
    assert "x-team: blue" in first.text and "x-quota-left: 1" in first.text and "k1" not in first.text
    assert first.headers["x-served-by"] == "mesh" and third.headers["retry-after"] == "1"
    assert [line.split(" in ")[0] for line in lines.lines] == ["GET / -> 401", "GET /a -> 200", "GET /a -> 200", "GET /a -> 429"]
