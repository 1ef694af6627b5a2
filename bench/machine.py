"""What a row has to say about where and from what it was made: cores, CPU, kernel, commit.

Reads files and runs `git`; changes nothing but the limits and the affinity of the harness's own process.
Called by the command line and by the tests.
"""

import datetime
import os
import platform
import resource
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Cores:
    """Which core runs the proxy and which one the load generator, the upstream and the harness."""

    proxy: int
    load: int


def cores() -> Cores:
    """The first two cores that this process may use; a machine with one core shares it, and its rows say so."""
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(proxy=allowed[0], load=allowed[-1] if len(allowed) == 1 else allowed[1])


def claim(chosen: Cores) -> None:
    """Moves the harness off the proxy's core and raises its limit of open files to what the system allows."""
    os.sched_setaffinity(0, {chosen.load})
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def open_files() -> int:
    """How many descriptors a process that we start may hold."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def commit() -> str:
    """Short hash of HEAD, with `+` where the engine or the Python face differ from it; `none` outside a repository."""
    head = _git("rev-parse", "--short=12", "HEAD")
    if not head:
        return "none"
    return head + ("+" if _git("status", "--porcelain", "--", "src", "python", "setup.py") else "")


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def now() -> str:
    """UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def facts() -> dict[str, str]:
    """What every row of a run repeats."""
    return {"date": now(), "commit": commit(), "cpu": cpu_model(), "kernel": platform.release()}
