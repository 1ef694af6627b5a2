"""The load generator of HTTP/2: one thread of h2load on the load core.

Owns the h2load process of one load and the meaning of its report: the summary says what became of the requests, the log of requests
how long each took. h2load counts whole seconds only, so a load lasts a second at least. Bounded by the seconds asked for.
"""

import math
import re
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.failure import BenchFailure
from bench.load.wrk import Outcome
from bench.running import program, running

REPORT_S = 20.0
FINISHED = re.compile(r"^finished in ([0-9.]+)(ms|us|s|m),", re.MULTILINE)
COUNTS = re.compile(r"^requests: .* done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", re.MULTILINE)


@dataclass(frozen=True)
class Load:
    """`streams` of each connection are under way at once; with a `body` each request is a gRPC call."""

    connections: int
    streams: int
    body: bytes = b""


def drive(load: Load, port: int, seconds: float, core: int, folder: Path) -> Outcome:
    """Loads a proxy for `seconds`, rounded up; returns what h2load saw."""
    whole_s = math.ceil(seconds)
    log, times, body = folder / "h2load.log", folder / "h2load.times", folder / "h2load.body"
    for path in (log, times):
        path.unlink(missing_ok=True)
    argv = [program("h2load"), "-t", "1", "-c", str(load.connections), "-m", str(load.streams), "-D", str(whole_s), f"--log-file={times}"]
    if load.body:
        body.write_bytes(load.body)
        argv += ["-d", str(body), "-H", "content-type: application/grpc", "-H", "te: trailers"]
    with running([*argv, f"http://127.0.0.1:{port}/r0"], core, log) as process:
        try:
            process.wait(timeout=whole_s + REPORT_S)
        except subprocess.TimeoutExpired as error:
            raise BenchFailure("h2load did not end") from error
    return parse(log.read_text(errors="replace"), whole_s, times.read_text())


def parse(report: str, seconds: float, times: str) -> Outcome:
    """Reads the summary, and the log of requests: when each began, its status, its microseconds."""
    counted = COUNTS.search(report)
    took = sorted(int(line.split("\t")[2]) for line in times.splitlines())
    if FINISHED.search(report) is None or counted is None or len(took) < 2:
        raise BenchFailure(f"h2load did not report: {report[-500:].strip()}")
    succeeded, *bad = (int(text) for text in counted.groups())
    errors = {kind: n for kind, n in zip(("status", "read", "timeout"), bad, strict=True) if n}
    percentiles = statistics.quantiles(took, n=100)
    return Outcome(succeeded, seconds, int(percentiles[49]), int(percentiles[98]), errors)
