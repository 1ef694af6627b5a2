"""TLS handshakes, one after another: `openssl s_time` on the load core, which ends each connection after its handshake.

With `resumed`, all but the first resume its session; that is TLS 1.2, where the session is known when the handshake ends. The load counts
whole seconds. Must not look at what the proxy answers: nothing is asked.
"""

import math
import re
import subprocess
from pathlib import Path

from bench.failure import BenchFailure
from bench.load.wrk import Outcome
from bench.running import program, running

REPORT_S = 20.0
REPORT = re.compile(r"^(\d+) connections in (\d+) real seconds", re.MULTILINE)


def drive(port: int, resumed: bool, seconds: float, core: int, folder: Path) -> Outcome:
    whole_s = math.ceil(seconds)
    log = folder / "s_time.log"
    log.unlink(missing_ok=True)
    mode = ["-reuse", "-tls1_2"] if resumed else ["-new", "-tls1_3"]
    argv = [program("openssl"), "s_time", "-connect", f"127.0.0.1:{port}", "-time", str(whole_s), *mode]
    with running(argv, core, log) as process:
        try:
            process.wait(timeout=whole_s + REPORT_S)
        except subprocess.TimeoutExpired as error:
            raise BenchFailure("s_time did not end") from error
    return parse(log.read_text(errors="replace"))


def parse(report: str) -> Outcome:
    """Reads the last line of numbers: connections in the seconds that really passed."""
    found = REPORT.findall(report)
    if not found:
        raise BenchFailure(f"s_time did not report: {report[-500:].strip()}")
    connections, seconds = (int(text) for text in found[-1])
    took_us = int(1e6 * max(1, seconds) / max(1, connections))
    return Outcome(connections, float(max(1, seconds)), took_us, took_us, {})
