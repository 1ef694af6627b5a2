"""The load generator: one thread of wrk on the load core.

Owns the wrk process of one load and the meaning of its report. wrk counts whole seconds only, so it is given more
than it needs and told to stop by SIGINT, on which it reports as usual. Called by the scenarios, around which they
read the proxy's accounts; bounded in time by the seconds asked for.
"""

import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.failure import BenchFailure
from bench.running import program, running

SCRIPT = Path(__file__).with_name("wrk.lua")
REPORT_S = 20
TIMEOUT_S = 10


@dataclass(frozen=True)
class Load:
    """What to send: `hosts` 0 is one fixed request, otherwise that many virtual hosts with `routes` paths in turn."""

    connections: int
    path: str = "/"
    method: str = "GET"
    body_bytes: int = 0
    hosts: int = 0
    routes: int = 1
    secure: bool = False  # https


@dataclass(frozen=True)
class Outcome:
    """What wrk counted: answered requests, seconds, latency in microseconds, and errors by kind."""

    requests: int
    seconds: float
    p50_us: int
    p99_us: int
    errors: dict[str, int]

    @property
    def failed(self) -> int:
        return sum(self.errors.values())


def _end(process: subprocess.Popen[bytes]) -> None:
    # wrk that is told before it sleeps notes it and sleeps all the same: it is told again.
    for _ in range(REPORT_S):
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1)
            return
    raise BenchFailure("wrk did not report after it was told to stop")


def drive(
    load: Load, port: int, seconds: float, core: int, folder: Path, during: Callable[[], None] | None = None
) -> Outcome:
    """Loads a proxy for `seconds`, or for as long as `during` takes where it is given; returns what wrk saw."""
    log = folder / "wrk.log"
    log.unlink(missing_ok=True)
    with running(_command(load, port, seconds), core, log) as process:
        if during is not None:
            during()
        else:
            _let_run(process, seconds)
        _end(process)
    return parse(log.read_text(errors="replace"))


def parse(report: str) -> Outcome:
    """Reads the one line that wrk.lua ends with."""
    lines = [line for line in report.splitlines() if line.startswith("RESULT ")]
    if not lines:
        raise BenchFailure(f"wrk did not report: {report[-500:].strip()}")
    found = json.loads(lines[-1].removeprefix("RESULT "))
    kinds = ("connect", "read", "write", "status", "timeout")
    return Outcome(
        requests=found["requests"],
        seconds=found["duration_us"] / 1e6,
        p50_us=found["p50_us"],
        p99_us=found["p99_us"],
        errors={kind: found[kind] for kind in kinds if found[kind]},
    )


def _command(load: Load, port: int, seconds: float) -> list[str]:
    bound_s = int(seconds) + 60
    options = [
        "-t",
        "1",
        "-c",
        str(load.connections),
        "-d",
        str(bound_s),
        "--timeout",
        str(TIMEOUT_S),
        "-s",
        str(SCRIPT),
    ]
    lua = [load.method, str(load.body_bytes), str(load.hosts), str(load.routes)]
    return [program("wrk"), *options, f"{'https' if load.secure else 'http'}://127.0.0.1:{port}{load.path}", "--", *lua]


def _let_run(process: subprocess.Popen[bytes], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    try:
        process.wait(timeout=max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return
    raise BenchFailure(f"wrk ended by itself with status {process.returncode}")
