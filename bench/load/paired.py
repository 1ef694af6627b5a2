"""Load and server in one small C program, on the load core: `PROGRAM serve` prints its port, `PROGRAM load PORT CONNECTIONS ...` reports.

Called by the scenarios that measure what passes between the two; bounded in time by the seconds asked for.
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

FOLDER = Path(__file__).parent
REPORT_S = 20.0


def _program(name: str) -> str:
    return str(compiled(FOLDER / f"{name}.c"))


@contextmanager
def server(name: str, folder: Path, core: int) -> Iterator[int]:
    """The program `name` as a server; its port."""
    log = folder / f"{name}-server.log"
    log.unlink(missing_ok=True)
    with running([_program(name), "serve"], core, log) as process:
        await_ready(process, log, lambda: log.exists() and log.read_text().endswith("\n"), f"the server of {name}")
        yield int(log.read_text())


def drive(name: str, port: int, connections: int, more: tuple[str, ...], seconds: float, core: int, folder: Path) -> Outcome:
    """One question after the other on each connection, for `seconds`."""
    log = folder / f"{name}-load.log"
    log.unlink(missing_ok=True)
    with running([_program(name), "load", str(port), str(connections), *more], core, log) as process:
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=REPORT_S)
        except subprocess.TimeoutExpired as error:
            raise BenchFailure(f"the load of {name} did not report after it was told to stop") from error
    return parse(log.read_text(errors="replace"))
