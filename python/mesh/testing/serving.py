"""`python -m mesh serve` as a process of its own: its log line by line, signals, memory and end.

Everything is awaited by a line of the process log. The process is killed when a line does not come in time, so no test
outlives its limit. It runs the `mesh` that this package belongs to. Ends with `close`, or its `with` block.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import mesh
import meshcore

LIMIT_S = 20.0


class Serving:
    """A running `serve -c FILE`. `seen`: the log so far. `prepare` runs in the child before the program starts."""

    def __init__(
        self,
        file: Path | str,
        *options: str,
        concurrency: int = 1,
        limit: float = LIMIT_S,
        prepare: Callable[[], None] | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        command = [sys.executable, "-X", "faulthandler", "-m", "mesh", "serve", "-c", str(file)]
        command += ["--concurrency", str(concurrency), *options]
        roots = [str(Path(str(package.__file__)).parents[1]) for package in (mesh, meshcore)]
        path = os.pathsep.join([*roots, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        self.seen: list[str] = []
        self.process = subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path, **(environment or {})},
            preexec_fn=prepare,
        )
        self._killer = threading.Timer(limit, self.process.kill)
        self._killer.start()

    def __enter__(self) -> Serving:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def log(self) -> str:
        return "".join(self.seen)

    def line(self, pattern: str) -> re.Match[str]:
        """The next line of the log that matches."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.seen.append(line)
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f"no line matches {pattern!r}:\n{self.log}")

    def port(self, listener: str = "main") -> int:
        """Where the listener is bound; reads the log up to that line."""
        return int(self.line(rf"listener '{listener}' on \S+:(\d+)")[1])

    def admin_port(self) -> int:
        """Where the admin interface listens; reads the log up to that line, which follows those of the listeners."""
        return int(self.line(r"admin address: \S+:(\d+)")[1])

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def resident_kib(self) -> int:
        """Resident memory now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def peak_kib(self) -> int:
        """The most memory that was ever resident."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0])

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def ended(self, limit: float = LIMIT_S) -> int:
        """Waits for the end; the exit code, negative for a signal."""
        _, rest = self.process.communicate(timeout=limit)
        self.seen.append(rest)
        return self.process.returncode

    def close(self) -> None:
        self._killer.cancel()
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        elif self.process.stderr is not None:
            self.process.stderr.close()
