"""The load generator and the server of Thrift calls: one C program, bench/load/thrift.c, on the load core.

Called by the scenario; bounded in time by the seconds asked for.
"""

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.compiled import compiled
from bench.failure import BenchFailure
from bench.load.wrk import Outcome, parse
from bench.running import await_ready, running

SOURCE = Path(__file__).with_name("thrift.c")
REPORT_S = 20.0


@contextmanager
def server(folder: Path, core: int) -> Iterator[int]:
    """A server of calls; its port."""
    log = folder / "thrift-server.log"
    log.unlink(missing_ok=True)
    with running([str(compiled(SOURCE)), "serve"], core, log) as process:
        await_ready(process, log, lambda: log.exists() and log.read_text().endswith("\n"), "the Thrift server")
        yield int(log.read_text())


def drive(port: int, connections: int, seconds: float, core: int, folder: Path) -> Outcome:
    """One call after the other on each connection, for `seconds`."""
    log = folder / "thrift-load.log"
    log.unlink(missing_ok=True)
    with running([str(compiled(SOURCE)), "load", str(port), str(connections)], core, log) as process:
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=REPORT_S)
        except subprocess.TimeoutExpired as error:
            raise BenchFailure("the Thrift load did not report after it was told to stop") from error
    return parse(log.read_text(errors="replace"))
