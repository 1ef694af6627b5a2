"""Starting, awaiting and ending the processes of a comparison.

Every process is pinned to one core, leads its own process group, and is killed with its group when the `with` block
ends, however it ends; should the harness itself be killed, the kernel signals the process in its place. Nothing here
knows HTTP or a peer's configuration. Called by the scenarios, on the harness's only thread.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.failure import BenchFailure

START_S = 30.0
GRACE_S = 1.0
POLL_S = 0.001
LOG_TAIL = 1500

Process = subprocess.Popen[bytes]


def pinned(core: int, argv: list[str]) -> list[str]:
    """The command line that runs `argv` on one core and has the kernel end it together with its parent."""
    return ["setpriv", "--pdeathsig", "TERM", "taskset", "-c", str(core), *argv]


def program(name: str, *folders: Path) -> str:
    """Full path of a program, looked for in `folders`, in PATH, and where Debian keeps daemons."""
    places = [str(folder) for folder in folders] + os.environ.get("PATH", "").split(os.pathsep) + ["/usr/sbin"]
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        raise BenchFailure(f"{name} is not installed")
    return found


def first_line(argv: list[str]) -> str:
    """First line that a program prints when asked for its version, wherever it prints it."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    return ((done.stdout or done.stderr).strip().splitlines() or [""])[0]


def free_port() -> int:
    """A loopback TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(argv: list[str], core: int, log: Path, env: Mapping[str, str] | None = None) -> Iterator[Process]:
    """Runs `argv` on one core; its output goes to `log`; its whole group is dead when the block is left."""
    with log.open("ab") as sink:
        process = subprocess.Popen(
            pinned(core, argv),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: Process) -> None:
    """Lets a master reap its workers for a moment, then kills whatever is left of the group."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=GRACE_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)


def await_ready(process: Process, log: Path, ready: Callable[[], bool], what: str, within_s: float = START_S) -> None:
    """Returns once `ready()` holds; fails with the end of the log when the process ends or the time is over."""
    deadline = time.monotonic() + within_s
    while not ready():
        if process.poll() is not None:
            raise BenchFailure(f"{what} ended with status {process.returncode}: {_tail(log)}")
        if time.monotonic() > deadline:
            raise BenchFailure(f"{what} was not ready within {within_s:g} s: {_tail(log)}")
        time.sleep(POLL_S)


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-LOG_TAIL:].strip() or "it printed nothing"
