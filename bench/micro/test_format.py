"""What a log line and a statistic cost, without the interpreter: each round writes LINES lines in native code.

The budget of the access log is 1 microsecond for the default line. Run by `make bench`; prints through pytest-
benchmark. Ends by itself.
"""

from __future__ import annotations

from typing import Any

import pytest

from meshcore.bind.format import Formatter
from meshcore.bind.stats import StatsRegistry, WorkerSlots
from tests.observe.facts import DEFAULT_FORMAT, proxied

LINES = 20_000
JSON_LINE = {
    "start_time": "%START_TIME%", "method": "%REQ(:METHOD)%", "path": "%PATH%", "protocol": "%PROTOCOL%",
    "code": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%", "received": "%BYTES_RECEIVED%", "sent": "%BYTES_SENT%", "duration": "%DURATION%",
    "host": "%UPSTREAM_HOST%",
    "agent": "%REQ(USER-AGENT)%", "id": "%REQ(X-REQUEST-ID)%", "authority": "%REQ(:AUTHORITY)%",
    "cluster": "%UPSTREAM_CLUSTER%",
}  # fmt: skip
FORMATS = {
    "default": DEFAULT_FORMAT,
    "json": JSON_LINE,
    "strftime": "%START_TIME(%d/%b/%Y:%H:%M:%S %z)%",
    "one header": "%REQ(X-REQUEST-ID)%",
}


@pytest.mark.parametrize("name", FORMATS)
def test_write_a_line(benchmark: Any, name: str) -> None:
    formatter = Formatter(FORMATS[name])
    formatter.set_facts(proxied())
    length = benchmark(formatter.write_again, LINES)
    assert length > 10
    benchmark.extra_info["ns_per_line"] = round(benchmark.stats.stats.median / LINES * 1e9, 1)


def test_the_default_line_stays_under_a_microsecond(benchmark: Any) -> None:
    formatter = Formatter(DEFAULT_FORMAT)
    formatter.set_facts(proxied())
    benchmark.pedantic(formatter.write_again, args=(LINES,), rounds=20)
    assert benchmark.stats.stats.min / LINES < 1e-6


def test_record_a_value_in_a_histogram(benchmark: Any) -> None:
    registry = StatsRegistry(1 << 16)
    worker = WorkerSlots(1 << 16)
    registry.attach(worker.address)
    first = registry.histogram("h")
    benchmark(worker.record_many, first, 1, LINES)
    benchmark.extra_info["ns_per_value"] = round(benchmark.stats.stats.median / LINES * 1e9, 2)
    registry.detach(worker.address)
    worker.close()
    assert registry.slots_in_use() > 0
